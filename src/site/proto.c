#include "site/proto.h"

#define EXACT(s) sizeof(s), sizeof(s)
#define TAIL(s) sizeof(s), sizeof(s) + PROTO_TAIL_MAX
#define NOTHING 0, 0
#define ROW(number, side, nfds, bounds)                                                            \
    [(number)-1] = {number, #number, side, nfds, bounds, MSG_ANY_PHASE}

static const struct msg_type front_types[] = {
    ROW(FK_OPEN, MSG_A, 0, EXACT(struct pm_open)),
    ROW(FK_PUT_BEGIN, MSG_A, 0, EXACT(struct pm_put_begin)),
    ROW(FK_PUT_DATA, MSG_A, 0, EXACT(struct pm_put_data)),
    ROW(FK_PUT_END, MSG_A, 0, NOTHING),
    ROW(FK_PUT_ABORT, MSG_A, 0, NOTHING),
    ROW(FK_TRACE, MSG_A, 0, EXACT(struct pm_trace)),
    ROW(FK_RECEIPT, MSG_A, 0, EXACT(struct pm_trace)),
    ROW(FK_ORDER, MSG_A, 0, EXACT(struct pm_order)),
    ROW(FK_FILE, MSG_A, 0, EXACT(struct pm_file)),
    ROW(FK_DOC, MSG_A, 0, EXACT(struct pm_doc)),
    ROW(FK_STATE, MSG_A, 0, NOTHING),
    ROW(FK_MOVE_OPEN, MSG_A, 0, TAIL(struct pm_move)),
    ROW(FK_MOVE_CLOSE, MSG_A, 0, EXACT(struct pm_move)),
    ROW(FK_LOOKUP, MSG_A, 0, EXACT(struct pm_lookup)),
    ROW(FK_LOOKED, MSG_A, 0, EXACT(struct pm_looked)),
    ROW(FK_REFUSED, MSG_B, 0, EXACT(struct pm_refused)),
    ROW(FK_OPENED, MSG_B, 0, EXACT(struct pm_opened)),
    ROW(FK_PUT_GO, MSG_B, 0, NOTHING),
    ROW(FK_SLOT_FREE, MSG_B, 0, EXACT(struct pm_slot_free)),
    ROW(FK_PUT_DONE, MSG_B, 0, TAIL(struct pm_receipt)),
    ROW(FK_TRACED, MSG_B, 0, TAIL(struct pm_traced)),
    ROW(FK_RECEIPT_IS, MSG_B, 0, TAIL(struct pm_receipt)),
    ROW(FK_ORDERED, MSG_B, 0, TAIL(struct pm_ordered)),
    ROW(FK_FILE_IS, MSG_B, 1, EXACT(struct pm_file_is)),
    ROW(FK_STATE_IS, MSG_B, 0, TAIL(struct pm_state_is)),
    ROW(FK_MOVE_GO, MSG_B, 0, NOTHING),
    ROW(FK_LOOKUP_GO, MSG_B, 0, NOTHING),
    ROW(FK_HOT, MSG_B, 1, NOTHING),
    ROW(FK_DRAIN, MSG_B, 0, NOTHING),
};
static const struct msg_type signer_types[] = {
    ROW(PS_SIGN, MSG_A, 0, EXACT(struct pm_sign)),
    ROW(PS_SIGNED, MSG_B, 0, EXACT(struct pm_signed)),
};
static const struct msg_type tls_types[] = {
    ROW(PT_SIGN, MSG_A, 0, EXACT(struct pm_tls_sign)),
    ROW(PT_SIGNED, MSG_B, 0, EXACT(struct pm_tls_signed)),
};
static const struct msg_type reload_types[] = {
    ROW(PL_KEY, MSG_A, 1, NOTHING),
    ROW(PL_KEY_IS, MSG_B, 0, EXACT(struct pm_tls_key_is)),
    ROW(PL_CERTIFICATE, MSG_A, 1, EXACT(struct pm_tls_key_is)),
};
static const struct msg_type courier_types[] = {
    ROW(PC_WITNESS, MSG_A, 0, TAIL(struct pm_witness)),
    ROW(PC_COSIGNED, MSG_B, 0, EXACT(struct pm_cosigned)),
    ROW(PC_CARRY_TEXT, MSG_A, 0, TAIL(struct pm_carry)),
    ROW(PC_CARRY_FILE, MSG_A, 1, EXACT(struct pm_carry)),
    ROW(PC_CARRIED, MSG_B, 0, TAIL(struct pm_carried)),
};
static const struct msg_type reader_types[] = {
    ROW(PR_READ, MSG_A, 1, EXACT(struct pm_read)),
    ROW(PR_READ_IS, MSG_B, 0, TAIL(struct pm_read_is)),
};
static const struct msg_type admin_types[] = {
    ROW(PA_ASK, MSG_A, 0, EXACT(struct pm_admin)),
    ROW(PA_ASK_FILE, MSG_A, 1, EXACT(struct pm_admin)),
    ROW(PA_SAYS, MSG_B, 0, EXACT(struct pm_admin_says)),
};
static const struct msg_type control_types[] = {
    ROW(PX_ENGINE, MSG_A, 1, EXACT(struct pm_engine_is)),
    ROW(PX_CONFIG, MSG_A, 1, NOTHING),
    ROW(PX_RULES, MSG_A, 1, NOTHING),
    ROW(PX_DRAIN, MSG_A, 0, NOTHING),
    ROW(PX_COURIER, MSG_A, 1, NOTHING),
    ROW(PX_READER, MSG_A, 1, NOTHING),
    ROW(PX_WANT_ENGINE, MSG_B, 0, EXACT(struct pm_engine)),
    ROW(PX_LOST_COURIER, MSG_B, 0, NOTHING),
    ROW(PX_LOST_READER, MSG_B, 0, NOTHING),
    ROW(PX_READY, MSG_B, 0, NOTHING),
    ROW(PX_ADMIN, MSG_A, 1, NOTHING),
};
_Static_assert(ARRAY_LEN(control_types) == PX_TYPES && ARRAY_LEN(tls_types) == PT_TYPES &&
                   ARRAY_LEN(reload_types) == PL_TYPES,
               "every type has its row");
_Static_assert(ARRAY_LEN(front_types) == FK_TYPES && ARRAY_LEN(signer_types) == PS_TYPES &&
                   ARRAY_LEN(courier_types) == PC_TYPES && ARRAY_LEN(reader_types) == PR_TYPES &&
                   ARRAY_LEN(admin_types) == PA_TYPES,
               "every type has its row");
_Static_assert(sizeof(struct pm_move) + PROTO_TAIL_MAX <= MSG_BODY_MAX &&
                   sizeof(struct pm_traced) + PROTO_TAIL_MAX <= MSG_BODY_MAX,
               "a message fits into a packet");

#define PROTOCOL(word, magic, table, several)                                                      \
    const struct msg_protocol proto_##word = {                                                     \
        #word, magic, PROTO_VERSION, table, ARRAY_LEN(table), several}
PROTOCOL(front, 0x70661001, front_types, true);
PROTOCOL(signer, 0x70661002, signer_types, false);
PROTOCOL(courier, 0x70661003, courier_types, false);
PROTOCOL(reader, 0x70661004, reader_types, false);
PROTOCOL(control, 0x70661006, control_types, false);
PROTOCOL(admin, 0x70661005, admin_types, false);
PROTOCOL(tls, 0x70661007, tls_types, false);
PROTOCOL(reload, 0x70661008, reload_types, false);

static const struct {
    unsigned status;
    const char *word, *cure;
} refusal[PRF_REFUSALS] = {
    [PRF_NONE] = {503, "busy", "tell the operator"},
    [PRF_MALFORMED] = {400, "bad_request", "compare the request with docs/openapi.yaml"},
    [PRF_TOKEN] = {401, "token_unknown", "send a token of this site as Authorization: Bearer"},
    [PRF_SIGNATURE] = {403, "bad_signature",
                       "sign the text of docs/formats.md with the submission's key"},
    [PRF_COUNTRY] = {403, "country_not_granted", "use a token that covers the country"},
    [PRF_STATEMENT_MISSING] = {403, "consent_none", "agree to a statement and name its digest"},
    [PRF_STATEMENT_UNKNOWN] = {403, "consent_unknown", "take a statement from GET /v1/statements"},
    [PRF_STATEMENT_WITHDRAWN] = {403, "consent_withdrawn",
                                 "take a statement from GET /v1/statements"},
    [PRF_SCOPE] = {403, "consent_scope", "agree to a statement whose scopes cover this"},
    [PRF_KIND] = {403, "kind_not_taken", "send a kind this site takes"},
    [PRF_TICKET] = {403, "ticket_unknown", "open the submission again, its ticket has ended"},
    [PRF_TRACE] = {401, "bad_signature",
                   "sign the trace text with the submission's key, with the right time"},
    [PRF_UNKNOWN] = {404, "not_found", "check the address and the submission"},
    [PRF_CONFLICT] = {409, "sub_exists", "draw another sub for another submission"},
    [PRF_TOO_LARGE] = {413, "too_large", "send a smaller file"},
    [PRF_WRONG_SITE] = {421, "wrong_site", "send it to the site named"},
    [PRF_PROOF] = {422, "bad_proof", "send a proof that this site's trusted policy accepts"},
    [PRF_QUOTA] = {429, "quota_exceeded", "wait, or ask the operator for more"},
    [PRF_POLICY] = {503, "not_ready", "wait until the site has published a policy"},
    [PRF_BUSY] = {503, "busy", "wait and repeat; the submission's sub makes that safe"},
    [PRF_FULL] = {507, "full", "wait until the operator has made room"},
    [PRF_STOPPED] = {503, "stopped", "wait until the operator has restarted the site"},
    [PRF_CLOCK] = {503, "clock_off", "wait until the site's clock is right again"},
};

unsigned proto_refusal_status(enum proto_refusal r)
{
    return refusal[r < PRF_REFUSALS ? r : PRF_NONE].status;
}

const char *proto_refusal_word(enum proto_refusal r)
{
    return refusal[r < PRF_REFUSALS ? r : PRF_NONE].word;
}

const char *proto_refusal_cure(enum proto_refusal r)
{
    return refusal[r < PRF_REFUSALS ? r : PRF_NONE].cure;
}
