/* A preloaded module that lies as an attacker's would: it removes its name from the environment, in place and in the
 * live copy, and every way of the C library to look at /proc fails. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

extern char **environ;

__attribute__((constructor)) static void hide(void)
{
	for (char **entry = environ; *entry; entry++)
		if (!strncmp(*entry, "LD_PRELOAD=", 11))
			memset(*entry, 'x', strlen(*entry));
}

static int hidden(const char *path)
{
	return path && !strncmp(path, "/proc/", 6);
}

static int lie(const char *path, int flags, mode_t mode)
{
	if (hidden(path)) {
		errno = ENOENT;
		return -1;
	}
	return syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

int open(const char *path, int flags, ...)
{
	va_list rest;
	va_start(rest, flags);
	mode_t mode = va_arg(rest, mode_t);
	va_end(rest);
	return lie(path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
	va_list rest;
	va_start(rest, flags);
	mode_t mode = va_arg(rest, mode_t);
	va_end(rest);
	return lie(path, flags, mode);
}

ssize_t readlink(const char *path, char *room, size_t size)
{
	if (hidden(path)) {
		errno = ENOENT;
		return -1;
	}
	return syscall(SYS_readlinkat, AT_FDCWD, path, room, size);
}

ssize_t pread64(int file, void *room, size_t size, off_t offset)
{
	(void)file, (void)offset;
	memset(room, 0, size);
	return 0;
}
