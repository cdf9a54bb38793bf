/* tutorial.c - submit a file, keep and verify its receipt, look what became of it, take it back.
 *
 *   tutorial CLIENT.YAML TRUST.YAML FILE */
#include <glarus.h>
#include <stdio.h>
#include <string.h>

/* Every failure has a code for the program and a sentence for the person in front of it. */
static int failed(const char *what, const glarus_error *e)
{
    fprintf(stderr, "%s: %s (%s)\n", what, e->text, glarus_code_word(e->code));
    return 1;
}

/* A person has to have seen the statement before anything is submitted under it. */
static int consent(glarus_client *client)
{
    glarus_statement *statement;
    glarus_error e;
    int answer, rc;

    if (glarus_client_agreed(client) != NULL)
        return 0; /* this person, with this configuration, has agreed before */
    if (glarus_statement_newest(client, &statement, &e) != GLARUS_OK)
        return failed("reading the consent statement", &e);
    printf("%s\nKept for at most %u days, erased within %u days when you say so.\n"
           "Do you agree? [y/N] ",
           glarus_statement_text(statement), glarus_statement_retention(statement),
           glarus_statement_erase_within(statement));
    fflush(stdout);
    answer = getchar();
    printf("\n");
    if (answer != 'y') {
        glarus_statement_free(statement);
        return 1;
    }
    rc = glarus_client_agree(client, statement, &e);
    glarus_statement_free(statement);
    return rc == GLARUS_OK ? 0 : failed("recording your consent", &e);
}

static int show_progress(void *arg, const glarus_progress *p)
{
    (void)arg;
    fprintf(stderr, "\r%llu of %llu bytes sent", (unsigned long long)p->bytes,
            (unsigned long long)p->bytes_total);
    return 0; /* go on */
}

/* Gives the submission's identifier. */
static int submit(glarus_client *client, const char *path, char sub[33])
{
    glarus_submit_options options = GLARUS_SUBMIT_OPTIONS_INIT;
    glarus_submission *submission;
    glarus_error e;

    options.progress = show_progress;
    if (glarus_submit_path(client, path, &options, &submission, &e) != GLARUS_OK)
        return failed("submitting", &e);
    snprintf(sub, 33, "%s", glarus_submission_sub(submission));
    printf("\n%s went to site %s: %s\n", path, glarus_submission_site(submission),
           glarus_submission_verdict(submission)[0] != '\0' ? glarus_submission_verdict(submission)
                                                            : "no verdict yet");
    glarus_submission_free(submission);
    return 0;
}

/* The receipt as a file that can be given to anybody. */
static int keep_receipt(glarus_client *client, const char *sub, const char *to)
{
    glarus_receipt *receipt;
    glarus_error e;
    const void *bytes;
    size_t n, written;
    FILE *f;

    if (glarus_receipt_wait(client, sub, "accepted", 60, &receipt, &e) != GLARUS_OK)
        return failed("waiting for the final receipt", &e);
    bytes = glarus_receipt_bytes(receipt, &n);
    f = fopen(to, "wb");
    written = f != NULL ? fwrite(bytes, 1, n, f) : 0;
    glarus_receipt_free(receipt);
    if (f == NULL || fclose(f) != 0 || written != n) {
        perror(to);
        return 1;
    }
    return 0;
}

/* No client and no network: a trust file, the receipt, and the file it is of. */
static int verify(const char *trust_path, const char *receipt_path, const char *path)
{
    glarus_trust *trust;
    glarus_receipt *receipt = NULL;
    glarus_error e;
    int rc;

    if (glarus_trust_load(&trust, trust_path, &e) != GLARUS_OK)
        return failed("reading the trust file", &e);
    rc = glarus_receipt_load(&receipt, receipt_path, trust, &e);
    glarus_trust_free(trust);
    if (rc == GLARUS_OK)
        rc = glarus_receipt_covers_path(receipt, path, &e);
    if (rc != GLARUS_OK) {
        glarus_receipt_free(receipt);
        return failed("verifying the receipt", &e);
    }
    printf("%s\nThe receipt is of %s, and %s.\n", glarus_receipt_text(receipt), path,
           glarus_receipt_final(receipt) ? "final" : "pending");
    glarus_receipt_free(receipt);
    return 0;
}

static int look(glarus_client *client, const char *sub)
{
    const glarus_verdict *verdict;
    glarus_history *history;
    glarus_error e;

    if (glarus_trace(client, sub, &history, &e) != GLARUS_OK)
        return failed("tracing", &e);
    printf("Accepted %s by %s.\n", glarus_history_accepted(history), glarus_history_site(history));
    for (size_t i = 0; (verdict = glarus_history_verdict(history, i)) != NULL; i++) {
        printf("%s: %s", i == 0 ? "Verdict" : "Before", verdict->verdict);
        for (size_t k = 0; verdict->names[k] != NULL; k++)
            printf("%s%s", k == 0 ? ", by " : ", ", verdict->names[k]);
        printf("%s.\n", strcmp(verdict->mode, "detect") == 0 ? " (it blocks nothing)" : "");
    }
    glarus_history_free(history);
    return 0;
}

static int withdraw(glarus_client *client, const char *sub)
{
    char final_by[GLARUS_TIME_SIZE];
    glarus_receipt *receipt;
    glarus_error e;

    if (glarus_withdraw(client, sub, final_by, &receipt, &e) != GLARUS_OK)
        return failed("withdrawing", &e);
    printf("Erased (%s), for good by %s.\n", glarus_receipt_kind(receipt), final_by);
    glarus_receipt_free(receipt);
    return 0;
}

int main(int argc, char **argv)
{
    glarus_client *client;
    glarus_error e;
    char sub[33];
    int rc;

    if (argc != 4) {
        fprintf(stderr, "usage: tutorial CLIENT.YAML TRUST.YAML FILE\n");
        return 2;
    }
    if (glarus_client_open(&client, argv[1], &e) != GLARUS_OK)
        return failed("opening the client", &e);
    rc = consent(client) != 0 || submit(client, argv[3], sub) != 0 ||
         keep_receipt(client, sub, "receipt.tlog-proof") != 0 ||
         verify(argv[2], "receipt.tlog-proof", argv[3]) != 0 || look(client, sub) != 0 ||
         withdraw(client, sub) != 0;
    glarus_client_free(client);
    return rc;
}
