/* keeper_clock.c - how far the machine's clock is believed.
 *
 * The wall clock dates leaves and ends retentions: wrong, it writes what no auditor believes and
 * erases what is not due.  So it is held against two others, the monotonic clock, which no jump of
 * the wall clock moves, and the times in the witnesses' cosignatures.
 *
 *   reference   a moment that was believed, and the monotonic time at which it was
 *   off         the wall clock is further from the reference than BOUND: nothing is accepted,
 *               ordered, scanned, turned, moved or erased until it is back, or until the witnesses
 *               or an administrator ("glarus site confirm-clock") say that it is right
 *   confirmed   they have said so in this life; before that nothing is done on the clock's word
 *               alone: no retention ends, no epoch turns, no inventory is taken
 *
 * While it is off or not confirmed, the newest checkpoint is brought to the witnesses again and
 * again for their time.  After a start everything waits SETTLE_MS for it: a machine that was booted
 * with a wrong clock is the most frequent case of all.  If no answer comes, and the witnesses' last
 * word is older than DOWN by this clock, it is off until somebody confirms it.  A suspended machine
 * looks like a jump; one answer of the witnesses ends it. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "site/keeper_priv.h"

#define BOUND 60 /* seconds; auditors allow some minutes (trust.yaml: tolerance) */
#define DOWN ((unix_time)2 * 86400)
#define SETTLE_MS 3000
#define ASK_MS 2000
#define LATEST INT64_C(253402300799) /* 9999: who says later says nothing */

static void judge(struct keeper *k, mono_ms now)
{
    struct reckoning *c = &k->clock;
    int64_t off = clock_now() - (c->reference + (now - c->at) / 1000);
    bool is = off > BOUND || off < -BOUND;
    char text[24];

    (void)snprintf(text, sizeof(text), "%lld", (long long)off);
    if (is && !c->off)
        log_error("the clock is not where it should be; nothing is dated until it is set right, or "
                  "the witnesses or \"glarus site confirm-clock\" confirm it",
                  "seconds_off", text);
    else if (!is && c->off)
        log_info("the clock is right again");
    c->off = is;
    c->seconds = is ? off : 0;
}

static void believe(struct keeper *k, unix_time t, mono_ms now)
{
    k->clock.reference = t;
    k->clock.at = now;
    judge(k, now);
}

static bool is_near(unix_time a, unix_time b)
{
    return a - b <= BOUND && b - a <= BOUND;
}

/* The lower median of the cosigners' times; 0 if none verifies.  against: how many of them are far
 * from wall, bears_out: how many are not. */
static unix_time times_of(const struct keeper *k, struct span note, unix_time wall, size_t *against,
                          size_t *bears_out)
{
    unix_time t[TLOG_POLICY_MAX];
    struct tlog_verdict v;
    size_t n = 0;

    *against = *bears_out = 0;
    if (tlog_policy_check_log(&v, k->quorum, &k->log_key, note, NULL) != 0)
        return 0;
    for (size_t i = 0; i < TLOG_POLICY_MAX; i++)
        if (v.time[i] != 0) {
            unix_time said = v.time[i] > LATEST ? LATEST : (unix_time)v.time[i];
            size_t at = n++;

            *(is_near(said, wall) ? bears_out : against) += 1;
            for (; at > 0 && t[at - 1] > said; at--)
                t[at] = t[at - 1];
            t[at] = said;
        }
    return n == 0 ? 0 : t[(n - 1) / 2];
}

/* What the witnesses said of the newest checkpoint: the time is that, or later. */
static unix_time seen_before(struct keeper *k)
{
    unix_time t = 0;
    size_t against, bears_out;
    struct tlog_verdict v;
    struct buf b;

    buf_init(&b, CORE_NOTE_MAX);
    if (ledger_has_checkpoint(k->ledger) &&
        tlog_tiles_checkpoint(k->ledger_dir, ledger_published(k->ledger), &b, NULL) == 0)
        t = times_of(k, buf_span(&b), 0, &against, &bears_out);
    if (t != 0 && tlog_policy_check_log(&v, k->quorum, &k->log_key, buf_span(&b), NULL) == 0)
        for (size_t i = 0; i < KEEPER_WITNESSES_MAX && i < TLOG_POLICY_MAX; i++)
            k->witness_time[i] = (int64_t)v.time[i];
    buf_free(&b);
    return t;
}

void keeper_clock_start(struct keeper *k)
{
    mono_ms now = clock_mono();
    unix_time seen = seen_before(k), wall = clock_now();

    k->clock.has_witnesses = tlog_policy_witness_count(k->quorum) > 0;
    k->clock.confirmed = !k->clock.has_witnesses;
    k->clock.settled = now + (seen != 0 ? SETTLE_MS : 0);
    if (seen != 0 && (seen > wall + BOUND || seen + DOWN < wall))
        believe(k, seen, now);
    else
        believe(k, wall, now);
}

void keeper_clock_step(struct keeper *k, mono_ms now)
{
    struct reckoning *c = &k->clock;

    judge(k, now);
    if (c->has_witnesses && (c->off || !c->confirmed) && now >= c->ask_at) {
        c->ask = true; /* keeper_round_step does it when no other round is under way */
        c->ask_at = now + ASK_MS;
    }
}

void keeper_clock_witnessed(struct keeper *k, mono_ms now)
{
    unix_time wall = clock_now(), t;
    size_t against, bears_out;
    bool agree;

    t = times_of(k, buf_span(&k->round.note), wall, &against, &bears_out);
    agree = is_near(wall, t);
    if (t == 0)
        return;
    /* A checkpoint is published as soon as the quorum has answered, and one that lies and is quick
     * may be half of it.  A clock that a witness bears out is wrong only by the word of most. */
    if (!agree && bears_out > 0 && 2 * against <= tlog_policy_witness_count(k->quorum))
        return;
    k->clock.ask = false;
    k->clock.settled = now;
    k->clock.confirmed = agree;
    believe(k, agree ? wall : t, now);
}

void keeper_clock_confirm(struct keeper *k)
{
    mono_ms now = clock_mono();

    log_warn("an administrator has confirmed the clock");
    k->clock.settled = now;
    k->clock.confirmed = true;
    believe(k, clock_now(), now);
}

bool keeper_clock_good(const struct keeper *k)
{
    return !k->clock.off && clock_mono() >= k->clock.settled;
}

bool keeper_clock_confirmed(const struct keeper *k)
{
    return k->clock.confirmed && !k->clock.off;
}
