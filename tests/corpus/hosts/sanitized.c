/* A program built with AddressSanitizer that loads the sensors: the sanitizer stands before hundreds of functions of
 * libc, keeps a shadow of the address space, and puts every allocation into quarantine. */
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void *allocate(void *unused) {
    for (unsigned round = 0;; round++) {
        size_t size = 16u + (round * 2654435761u) % 65536u;
        char *block = malloc(size);
        if (block == NULL) {
            abort();
        }
        memset(block, (int)round, size);
        free(block);
        usleep(500);
    }
    return unused;
}

int main(int count, char **args) {
    if (count != 2) {
        return 2;
    }
    void *library = dlopen(args[1], RTLD_NOW);
    if (library == NULL) {
        fprintf(stderr, "%s\n", dlerror());
        return 2;
    }
    void (*start)(int) = (void (*)(int))dlsym(library, "glacis_corpus_start");
    if (start == NULL) {
        return 2;
    }
    start(0);
    pthread_t threads[3];
    for (int at = 0; at < 3; at++) {
        if (pthread_create(&threads[at], NULL, allocate, NULL) != 0) {
            return 2;
        }
    }
    pthread_join(threads[0], NULL);
    return 0;
}
