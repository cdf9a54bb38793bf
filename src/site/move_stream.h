/* move_stream.h - one file on its way from one site's keeper to another's (docs/formats.md,
 * "Move").
 *
 *   u32 length | box( u8 1 | key[32] | sub_key[32] | sha256[32] | u64 size | statement[32] |
 * policy[32] | u64 accepted | country[2] | u8 n, account | u8 n, name ) chunks of 65,536 bytes of
 * plaintext, AES-256-GCM under key, nonce = u32 last | u64 number, AD = move | sub
 *
 * The box is sealed to the destination's move key in the context "move-object/v2" | move | sub |
 * salt: only its keeper opens it; fronts, couriers and the network carry ciphertext.  The salt is
 * the move's, known to the two keepers alone, so only the sender can say whose a file is. */
#ifndef SITE_MOVE_STREAM_H
#define SITE_MOVE_STREAM_H

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "crypto/aead.h"

#define MOVE_CHUNK 65536u
#define MOVE_HEAD_MAX 2048

struct move_meta {
    uint8_t sub_key[32];
    struct digest sha256, statement, policy;
    uint64_t size;
    unix_time accepted;
    char country[3];
    char account[65];
    size_t name_len;
    uint8_t name[255];
};

/* Sender: head, then chunks in order, last true for the last (which may be empty). Appends to out.
 */
struct move_sender;
MUST_CHECK int move_sender_new(struct move_sender **out, const uint8_t to[32],
                               const struct id128 *move, const struct id128 *sub,
                               const struct digest *salt, const struct move_meta *meta,
                               struct buf *head);
MUST_CHECK int move_sender_chunk(struct move_sender *s, const uint8_t *p, size_t n, bool last,
                                 struct buf *out);
void move_sender_free(struct move_sender *s);

/* Receiver: bytes as they come; plaintext goes to sink once a chunk's tag has verified. -EBADMSG:
 * not a stream for us, or damaged. */
struct move_receiver;
typedef int move_sink(void *arg, const void *p, size_t n);
MUST_CHECK int move_receiver_new(struct move_receiver **out, const uint8_t key[32],
                                 const struct id128 *move, const struct id128 *sub,
                                 const struct digest *salt);
MUST_CHECK int move_receiver_data(struct move_receiver *r, const uint8_t *p, size_t n,
                                  move_sink *sink, void *arg);
/* All is there: 0 and the file's description (lent). */
MUST_CHECK int move_receiver_end(struct move_receiver *r, const struct move_meta **meta);
void move_receiver_free(struct move_receiver *r);

#endif
