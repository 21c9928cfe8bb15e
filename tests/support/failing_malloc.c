/*
 * failing_malloc: allocations that fail in one thread of a program, when a test says so.
 *
 * To be preloaded. $FAILING_MALLOC names a file of two uint32_t, which the test maps too: a number n
 * in the first makes the n-th allocation from now on fail in the forwarding thread, and counts down
 * to 0; the second counts those that have failed. Thread: any.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* The names by which the C library's own can be called. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *block, size_t size);

struct control {
    _Atomic uint32_t left, failed;
};

static _Atomic(struct control *) control;

__attribute__((constructor)) static void map_control(void)
{
    const char *path = getenv("FAILING_MALLOC");
    int fd = path == NULL ? -1 : open(path, O_RDWR | O_CLOEXEC);
    void *mapped =
        fd < 0 ? MAP_FAILED
               : mmap(NULL, sizeof(struct control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (fd >= 0) {
        close(fd);
    }
    if (mapped != MAP_FAILED) {
        atomic_store(&control, mapped);
    }
}

static bool is_meant(void)
{
    char name[16] = "";
    pthread_getname_np(pthread_self(), name, sizeof name);
    return strcmp(name, "forwarder") == 0;
}

static bool fails(void)
{
    struct control *c = atomic_load(&control);
    if (c == NULL || atomic_load(&c->left) == 0 || !is_meant() ||
        atomic_fetch_sub(&c->left, 1) != 1) {
        return false;
    }
    atomic_fetch_add(&c->failed, 1);
    errno = ENOMEM;
    return true;
}

void *malloc(size_t size)
{
    return fails() ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    return fails() ? NULL : __libc_calloc(count, size);
}

void *realloc(void *block, size_t size)
{
    return fails() ? NULL : __libc_realloc(block, size);
}
