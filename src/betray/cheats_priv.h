/* cheats_priv.h - what plays each cheat of the table (cheats.h says what it answers). */
#ifndef BETRAY_CHEATS_PRIV_H
#define BETRAY_CHEATS_PRIV_H

#include "base/text.h"
#include "betray/cheats.h"
#include "crypto/secret.h"

#define HOUR 3600
#define DAY (24 * HOUR)

static inline void cheats_random_hex(char *out, size_t n)
{
    uint8_t b[64];

    random_bytes(b, n);
    text_hex(out, b, n);
}

static inline void cheats_free_keys(struct ed25519_key **k, size_t n)
{
    for (size_t i = 0; i < n; i++)
        ed25519_free(k[i]);
}

int cheats_edited_leaf(struct stage *s, struct err *e);
int cheats_edited_file(struct stage *s, struct err *e);
int cheats_forked(struct stage *s, struct err *e);
int cheats_rolled_back(struct stage *s, struct err *e);
int cheats_back_dated_entry(struct stage *s, struct err *e);
int cheats_unlisted_person(struct stage *s, struct err *e);
int cheats_lone_registrar(struct stage *s, struct err *e);
int cheats_self_approved(struct stage *s, struct err *e);
int cheats_two_keys(struct stage *s, struct err *e);
int cheats_revoked_key(struct stage *s, struct err *e);
int cheats_retired(struct stage *s, struct err *e);
int cheats_back_dated_policy(struct stage *s, struct err *e);
int cheats_wrong_zone(struct stage *s, struct err *e);
int cheats_hidden_copy(struct stage *s, struct err *e);
int cheats_stray_copy(struct stage *s, struct err *e);
int cheats_false_inventory(struct stage *s, struct err *e);
int cheats_no_consent(struct stage *s, struct err *e);
int cheats_withdrawn_statement(struct stage *s, struct err *e);
int cheats_wrong_scope(struct stage *s, struct err *e);
int cheats_forged_signature(struct stage *s, struct err *e);
int cheats_country_changed(struct stage *s, struct err *e);
int cheats_forged_withdrawal(struct stage *s, struct err *e);
int cheats_withdrawal_ignored(struct stage *s, struct err *e);
int cheats_unapproved_move(struct stage *s, struct err *e);
int cheats_object_left(struct stage *s, struct err *e);
int cheats_copy_kept(struct stage *s, struct err *e);
int cheats_object_lost(struct stage *s, struct err *e);
int cheats_object_swapped(struct stage *s, struct err *e);
int cheats_moved_late(struct stage *s, struct err *e);
int cheats_slot_kept(struct stage *s, struct err *e);
int cheats_epoch_kept(struct stage *s, struct err *e);
int cheats_no_order(struct stage *s, struct err *e);
int cheats_unloaded_release(struct stage *s, struct err *e);
int cheats_never_scanned(struct stage *s, struct err *e);
int cheats_scanned_abroad(struct stage *s, struct err *e);
int cheats_rules_self_approved(struct stage *s, struct err *e);
int cheats_rules_one_approver(struct stage *s, struct err *e);
int cheats_rules_two_keys(struct stage *s, struct err *e);
int cheats_rules_revoked_key(struct stage *s, struct err *e);
int cheats_rules_retired(struct stage *s, struct err *e);
int cheats_rules_untested(struct stage *s, struct err *e);
int cheats_rules_another_tree(struct stage *s, struct err *e);
int cheats_rules_another_base(struct stage *s, struct err *e);
int cheats_rules_another_report(struct stage *s, struct err *e);
int cheats_rules_unreleased(struct stage *s, struct err *e);
int cheats_rules_rolled_back(struct stage *s, struct err *e);
int cheats_rules_gap(struct stage *s, struct err *e);
int cheats_rules_unchained(struct stage *s, struct err *e);
int cheats_rules_silent_allow(struct stage *s, struct err *e);
int cheats_served_few_keys(struct stage *s, struct err *e);
int cheats_served_other_tree(struct stage *s, struct err *e);
int cheats_served_unreleased(struct stage *s, struct err *e);
int cheats_served_rolled_back(struct stage *s, struct err *e);
int cheats_served_mixed(struct stage *s, struct err *e);
int cheats_served_new_root(struct stage *s, struct err *e);
int cheats_served_elsewhere(struct stage *s, struct err *e);
int cheats_served_side_door(struct stage *s, struct err *e);
int cheats_lone_override(struct stage *s, struct err *e);
int cheats_change_hidden(struct stage *s, struct err *e);
int cheats_change_unlogged(struct stage *s, struct err *e);
int cheats_rescan_short(struct stage *s, struct err *e);
int cheats_rescan_others(struct stage *s, struct err *e);
int cheats_rescan_pretended(struct stage *s, struct err *e);
int cheats_breaker_false(struct stage *s, struct err *e);
int cheats_quietly_detect(struct stage *s, struct err *e);
int cheats_replay_forged(struct stage *s, struct err *e);
int cheats_replay_moved(struct stage *s, struct err *e);
int cheats_lookups_elsewhere(struct stage *s, struct err *e);
int cheats_lookups_kept(struct stage *s, struct err *e);
int cheats_build_other_source(struct stage *s, struct err *e);
int cheats_build_other_toolchain(struct stage *s, struct err *e);
int cheats_build_one_supervisor(struct stage *s, struct err *e);
int cheats_build_two_keys(struct stage *s, struct err *e);
int cheats_build_retired(struct stage *s, struct err *e);
int cheats_build_reused(struct stage *s, struct err *e);
int cheats_build_gap(struct stage *s, struct err *e);
int cheats_build_elsewhere(struct stage *s, struct err *e);
int cheats_rebuild_forged(struct stage *s, struct err *e);
int cheats_rebuild_rounded_up(struct stage *s, struct err *e);
int cheats_rebuild_not_equal(struct stage *s, struct err *e);
int cheats_rebuild_colluding(struct stage *s, struct err *e);
int cheats_software_unreleased(struct stage *s, struct err *e);
int cheats_software_pretended(struct stage *s, struct err *e);
int cheats_unlogged_copy(struct stage *s, struct err *e);
int cheats_two_enrolments(struct stage *s, struct err *e);
int cheats_false_country(struct stage *s, struct err *e);
int cheats_forked_unseen(struct stage *s, struct err *e);
int cheats_stale(struct stage *s, struct err *e);

struct shop;
int cheats_update_rolled_back(struct shop *h, struct err *e);
int cheats_update_frozen(struct shop *h, struct err *e);
int cheats_update_mixed(struct shop *h, struct err *e);
int cheats_update_lone_root(struct shop *h, struct err *e);
int cheats_update_unlogged(struct shop *h, struct err *e);
int cheats_update_unseen(struct shop *h, struct err *e);
int cheats_update_other_files(struct shop *h, struct err *e);
int cheats_update_withheld(struct shop *h, struct err *e);

#endif
