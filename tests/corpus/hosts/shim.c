/* A library in front of libc, as an attacker puts it with LD_PRELOAD: answers some calls itself and passes the
 * others on. It stands before functions that an app asks for the time, a file and a connection. Told to, it wipes
 * what named it from the memory that /proc/self/environ shows and from the environment. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static void *next(const char *name) { return dlsym(RTLD_NEXT, name); }

__attribute__((constructor)) static void in_front(void) {
    static const char said[] = "shim: in front\n";
    if (getenv("SHIM_WIPES") != NULL) {
        static const char *const names[] = {"LD_PRELOAD", "SHIM_WIPES"};
        for (unsigned at = 0; at < sizeof names / sizeof *names; at++) {
            char *value = getenv(names[at]);
            if (value != NULL) {
                char *entry = value - strlen(names[at]) - 1;
                unsetenv(names[at]);
                memset(entry, 'x', strlen(entry));
            }
        }
    }
    if (write(2, said, sizeof said - 1) < 0) {
        _exit(9);
    }
}

int clock_gettime(clockid_t clock, struct timespec *out) {
    return ((int (*)(clockid_t, struct timespec *))next("clock_gettime"))(clock, out);
}

time_t time(time_t *out) { return ((time_t(*)(time_t *))next("time"))(out); }

int connect(int socket, const struct sockaddr *to, socklen_t len) {
    return ((int (*)(int, const struct sockaddr *, socklen_t))next("connect"))(socket, to, len);
}

int open64(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    int mode = va_arg(rest, int);
    va_end(rest);
    return ((int (*)(const char *, int, ...))next("open64"))(path, flags, mode);
}
