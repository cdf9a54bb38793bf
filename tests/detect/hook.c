/* What a taken-over engine child might do, on demand of the file it scans. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "child.h"

static volatile int *volatile nowhere;

static void *volatile eaten; /* or a compiler sees that nobody needs the memory */

static void eat(void)
{
    size_t step = (size_t)1 << 30;

    while (step >= 16)
        if ((eaten = malloc(step)) == NULL)
            step /= 2;
}

static void crash(void)
{
    *nowhere = 1;
}

static void hang(void)
{
    for (;;)
        nowhere = NULL;
}

static void try_open(void)
{
    (void)!open("/", O_RDONLY);
}
static void try_read(void)
{
    char c;

    (void)!read(3, &c, 1);
}
static void try_write(void)
{
    (void)!write(2, "x", 1);
}
static void try_send(void)
{
    (void)!send(3, "x", 1, 0);
}
static void try_socket(void)
{
    (void)!socket(AF_UNIX, SOCK_STREAM, 0);
}
static void try_fork(void)
{
    if (fork() == 0)
        _exit(0);
}
static void try_exec(void)
{
    (void)execl("/bin/true", "true", (char *)NULL);
}
static void try_kill(void)
{
    (void)kill(1, SIGKILL);
}
static void try_memfd(void)
{
    (void)!memfd_create("x", 0);
}
static void try_executable(void)
{
    (void)mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}
static void try_other_memory(void)
{
    (void)syscall(SYS_process_vm_readv, 1, NULL, 0, NULL, 0, 0);
}
static void try_filter(void)
{
    (void)syscall(SYS_seccomp, 1, 0, NULL);
}

/* --- in an engine whose children have a folder: descriptor 0 names it --- */

static void fill(void)
{
    static const char block[65536];
    int fd = openat(0, "full", O_WRONLY | O_CREAT, 0600);

    for (;;) /* until it is killed: whatever becomes free is taken */
        (void)!write(fd, block, sizeof(block));
}

/* Folders beyond the length of any path, each closed to its owner; a file in each. */
static void bury(void)
{
    char name[200];
    int at = 0, next;

    memset(name, 'd', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    for (int i = 0; i < 60; i++) {
        if (mkdirat(at, name, 0700) != 0 || (next = openat(at, name, O_RDONLY | O_DIRECTORY)) < 0)
            _exit(77);
        (void)close(openat(next, "file", O_WRONLY | O_CREAT, 0));
        if (at > 2) {
            (void)fchmod(at, 0);
            (void)close(at);
        }
        at = next;
    }
    for (int i = 0; i < 3000; i++) {
        (void)snprintf(name, sizeof(name), "%d", i);
        (void)mkdirat(at, name, 0);
    }
    (void)fchmod(at, 0);
    at = openat(0, ".", O_RDONLY | O_DIRECTORY);
    (void)fchmod(at, 0);
}

/* Dies where an earlier child has left something. */
static void look_around(void)
{
    char entries[512];
    int at = openat(0, ".", O_RDONLY | O_DIRECTORY);

    if (at < 0 || syscall(SYS_getdents64, at, entries, sizeof(entries)) != 2 * 24 ||
        syscall(SYS_getdents64, at, entries, sizeof(entries)) != 0)
        crash();
}

/* By its path, on which Landlock has no say. */
static void close_siblings(void)
{
    for (int i = 0; i < 2; i++) {
        char path[16];

        (void)snprintf(path, sizeof(path), "/tmp/%d", i);
        if (chmod(path, 0) == 0)
            _exit(77);
    }
}

static const struct {
    const char *word;
    void (*run)(void);
} deeds[] = {
    {"crash", crash},
    {"hang", hang},
    {"eat", eat},
    {"open", try_open},
    {"read", try_read},
    {"write", try_write},
    {"send", try_send},
    {"socket", try_socket},
    {"fork", try_fork},
    {"exec", try_exec},
    {"kill", try_kill},
    {"memfd", try_memfd},
    {"executable", try_executable},
    {"memory", try_other_memory},
    {"filter", try_filter},
    {"fill", fill},
    {"bury", bury},
    {"look", look_around},
    {"close", close_siblings},
};

void engine_test_hook(struct span file)
{
    for (size_t i = 0; i < ARRAY_LEN(deeds); i++) {
        size_t n = strlen(deeds[i].word);

        if (file.n >= 5 + n && memcmp(file.p, "HOOK:", 5) == 0 &&
            memcmp(file.p + 5, deeds[i].word, n) == 0)
            deeds[i].run();
    }
}

/* What it might write on its sheet. */
void engine_test_lie(struct span file, struct sheet *sheet, uint32_t index)
{
    struct outcome *o = &sheet->file[index];
    static const char word[] = "LIE:";

    if (file.n < 5 || memcmp(file.p, word, 4) != 0)
        return;
    o->verdict = VERDICT_MALICIOUS;
    o->hits = o->kept = 1;
    switch (file.p[4]) {
    case 'r': /* a rule that does not exist */
        o->rank[0] = 2;
        break;
    case 'k': /* more names than the sheet holds */
        o->hits = o->kept = VERDICT_NAMES_MAX + 1;
        break;
    case 'o': /* out of order */
        o->hits = o->kept = 2;
        o->rank[0] = 1;
        o->rank[1] = 0;
        break;
    case 'v':
        o->verdict = 77;
        break;
    case 'n': /* malicious by no rule */
        o->hits = o->kept = 0;
        break;
    case 'c': /* clean, with a reason */
        o->verdict = VERDICT_CLEAN;
        o->hits = o->kept = 0;
        o->reason = REASON_TIME;
        break;
    case 'd': /* more files than there are */
        atomic_store(&sheet->done, UINT32_MAX);
        _exit(0);
    case 's': /* spent, and nothing done: once more, please */
        _exit(CHILD_SPENT);
    case 'x': /* over early */
        _exit(0);
    }
}
