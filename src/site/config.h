/* config.h - the configuration of a site (glarusd.yaml), read once at start and again on SIGHUP.
 * The file is the operator's own; every mistake is named with line, column and cure (exit 2).
 * Reference: docs/man/glarusd.yaml.5.  All strings live as long as the configuration.  Paths in the
 * file are relative to the file's folder and made absolute here. */
#ifndef SITE_CONFIG_H
#define SITE_CONFIG_H

#include "base/err.h"
#include "base/yaml.h"

#define CONFIG_PEERS_MAX 16
#define CONFIG_SUBMITTERS_MAX 256
#define CONFIG_COUNTRIES_MAX 256
#define CONFIG_ROOTS_MAX 16
#define CONFIG_ADMINS_MAX 16
#define CONFIG_ENGINES_MAX 6
#define CONFIG_SHARE_WHOLE 10000

enum config_process { /* processes that may have a uid of their own */
                      CONFIG_FRONT,
                      CONFIG_KEEPER,
                      CONFIG_SIGNER,
                      CONFIG_COURIER,
                      CONFIG_READER,
                      CONFIG_ENGINE,
                      CONFIG_PROCESSES
};

struct config_peer {
    const char *site;
    const char *zone;
    const char *url;    /* where clients and its courier reach it, no trailing slash */
    const char *policy; /* tlog-policy text its checkpoints must satisfy */
    const char *pin;    /* "sha256//BASE64" of its TLS key; NULL: not pinned */
    uint8_t move_key[32];
};

struct config_submitter {
    const char *name;    /* an account's label; sealed in leaves, never logged */
    struct digest token; /* SHA-256 of the bearer token */
    char country[CONFIG_COUNTRIES_MAX][2];
    size_t countries;   /* 0: any */
    uint64_t per_day;   /* submissions in any 24 hours */
    uint64_t in_flight; /* uploads at once */
    uint64_t priority;  /* of its files in the scan queue: higher first */
};

struct config_engine {
    const char *name; /* "yara": its label in leaves */
    const char *program;
};

struct config {
    const char *file;
    const char *site, *zone, *origin;
    const char *url;                   /* as clients reach it */
    const char *listen;                /* "ADDRESS:PORT" */
    const char *certificate, *tls_key; /* PEM files; both NULL: plain HTTP */
    uint64_t handshakes;               /* signatures a second for TLS */
    const char *authorities; /* PEM file: whom the courier trusts; NULL: the system's store */
    const char *data;        /* folder: vault/, ledger/, catalog.db, signer/ */
    const char *admin;       /* unix socket */
    const char *ledger_key, *epoch_keys, *move_key;
    const char *quorum; /* tlog-policy text: witnesses with URLs, and the quorum to publish under */
    uint8_t root_key[CONFIG_ROOTS_MAX][32];
    size_t roots, roots_needed;
    uint32_t uid[CONFIG_PROCESSES]; /* 0: stay as started */
    uint32_t admin_uid[CONFIG_ADMINS_MAX];
    size_t admins;
    uint64_t epoch;                    /* seconds an epoch lasts */
    uint64_t inventory;                /* seconds between inventories */
    uint64_t checkpoint_ms;            /* how often a new checkpoint is brought to the witnesses */
    uint64_t object_max;               /* bytes of the largest object */
    uint64_t ring_slots;               /* of 256 KiB each */
    uint64_t connections, per_address; /* open at once; of one address (IPv6: /64) */
    uint64_t segment;                  /* bytes of a vault segment */
    uint64_t reserve;                  /* bytes that uploads leave free on the disk */
    struct config_engine engine[CONFIG_ENGINES_MAX]; /* none: scanning is paused */
    size_t engines;
    const char *rules;     /* folder of the rule release; NULL without engines */
    uint64_t scan_seconds; /* a submitted file may take at each engine, with all it holds */
    uint64_t unpacked;     /* bytes a submitted file may hold, at any depth together */
    uint64_t members, depth;
    uint64_t breaker_files; /* scanned again in a row, of which at most such a share */
    uint64_t breaker_share; /* of CONFIG_SHARE_WHOLE may become malicious that were clean */
    struct config_peer peer[CONFIG_PEERS_MAX];
    size_t peers;
    struct config_submitter *submitter;
    size_t submitters;
    struct yaml_doc *doc; /* owns most strings */
    char **made;          /* strings made here */
    size_t mades;
};

/* *out is the caller's, freed by config_free.  -EINVAL with the sentence for every mistake in the
 * file. */
MUST_CHECK int config_load(struct config **out, const char *path, struct err *e);
/* The same from text that is at hand; path is used for messages and to resolve relative paths. */
MUST_CHECK int config_read(struct config **out, const char *path, struct span text, struct err *e);
void config_free(struct config *c);
const struct config_peer *config_peer(const struct config *c, const char *site);
/* What SIGHUP may change (submitters, limits of time); 0 if new differs from old only there.
 */
MUST_CHECK int config_may_replace(const struct config *old, const struct config *new,
                                  struct err *e);
const char *config_process_name(enum config_process p);

#endif
