/* repo.h - a small TUF repository in memory, and the fetch and the store that go with it.
 *
 * What is signed is written here by hand in canonical form (keys in order, no blanks) and its very
 * bytes are signed; so an updater that accepts it found the same canonical form by itself.  Keys
 * are numbers, 0 to REPO_KEYS - 1; key i has the seed of 32 bytes i + 1. */
#ifndef TESTS_UPDATES_REPO_H
#define TESTS_UPDATES_REPO_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "updates/tuf_updater.h"

#define REPO_KEYS 16
#define REPO_FILES 1100
#define REPO_SAFE "2999-01-01T00:00:00Z"
#define REPO_PAST "2001-01-01T00:00:00Z"
#define REPO_URL "http://repo.example/metadata/"
#define REPO_TARGETS_URL "http://repo.example/targets/"

struct repo_file {
    char name[320];
    struct buf bytes;
};

struct repo_role { /* of root, and of one delegation */
    int keys[REPO_KEYS];
    int n, threshold;
};

struct repo_meta {
    char name[80];
    int64_t version;
};

struct repo {
    struct repo_file files[REPO_FILES]; /* what the repository serves, by the end of the URL */
    size_t n_files;
    struct repo_role roles[TUF_TYPES];
    int64_t version[TUF_TYPES];
    const char *expires[TUF_TYPES];
    const char *spec;          /* spec_version */
    const char *extra;         /* of every signed part, canonical, in front: "\"a\":1," */
    bool plain;                /* no consistent snapshots */
    bool hashes;               /* timestamp and snapshot announce them, and lengths */
    struct repo_meta meta[80]; /* of snapshot */
    size_t n_meta;
    const char *targets; /* the top-level "targets" and "delegations", canonical */
    const char *delegations;
    char log[4096];             /* what was asked for: "2.root timestamp 1.snapshot ..." */
    int fail;                   /* what fetch answers instead; 0: nothing */
    struct repo_file store[80]; /* the client's */
    size_t n_store;
    int saves_left; /* until a save fails; -1: none does */
};

void repo_open(struct repo *r); /* all versions 1, published; root 1 is in the store */
void repo_close(struct repo *r);

void repo_put(struct repo *r, const char *name, struct span bytes);
void repo_puts(struct repo *r, const char *name, const char *text);
void repo_remove(struct repo *r, const char *name);
struct buf *repo_find(struct repo *r, const char *name);

const char *repo_keyid(int key); /* static */
void repo_key(struct buf *b, int key, bool last);
struct repo_role repo_role(int threshold, const int *keys, int n);
#define ROLE(threshold, ...)                                                                       \
    repo_role(threshold, (const int[]){__VA_ARGS__},                                               \
              (int)(sizeof((const int[]){__VA_ARGS__}) / sizeof(int)))

/* {"signatures": by these keys, "signed": text} */
void repo_sign(struct buf *out, const char *text, const int *keys, int n);
/* Publish the next root, signed by the last one's keys and its own, or by exactly these. */
void repo_root(struct repo *r);
void repo_root_by(struct repo *r, const int *keys, int n);
void repo_timestamp(struct repo *r); /* the current versions, signed as the role is */
void repo_snapshot(struct repo *r);
void repo_targets(struct repo *r);
void repo_set_meta(struct repo *r, const char *name, int64_t version);
/* The next versions of targets, snapshot and timestamp. */
void repo_bump(struct repo *r);
void repo_publish(struct repo *r); /* the current versions again */
/* The signed part of a role that is delegated to; then published by these keys. */
void repo_delegated(struct repo *r, const char *name, int64_t version, const char *targets,
                    const char *delegations, const int *keys, int n);
/* "{"keys":{...},"roles":[...]}" of up to some delegations. */
struct repo_delegation {
    const char *name, *matcher; /* "\"paths\":[\"*\"]," or path_hash_prefixes */
    struct repo_role role;
    bool terminating;
};
char *repo_delegations(const struct repo_delegation *d, size_t n); /* free(3) */
/* "PATH":{"hashes":{"sha256":...},"length":N} of a target; and the file is served. */
char *repo_target(struct repo *r, const char *path, const char *content);

struct tuf_fetch repo_fetch(struct repo *r);
struct tuf_store repo_store(struct repo *r);
int64_t repo_stored(struct repo *r, const char *name); /* its version; 0: not there */

/* A whole update: 0 or what refresh said. */
int repo_refresh(struct repo *r, struct err *e);
/* And the search for a target. */
int repo_search(struct repo *r, const char *path, struct err *e);

#endif
