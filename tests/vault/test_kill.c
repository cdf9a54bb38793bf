/* kill -9 at random moments, again and again on one vault.  A child dies a random number of steps
 * after its start, and then a little: on a slow disk it comes as far as on a fast one. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "crypto/secret.h"
#include "model.h"

#define STEPS 10

static void child(struct model *m, struct fixture *f)
{
    if (fixture_open(f) != 0)
        _exit(1);
    for (unsigned i = 0; m->next < MODEL_MAX - 8; i++, m->steps++)
        if (model_step(m, f, i * 8 + 8) != 0)
            _exit(2);
    _exit(3);
}

static void let_it_work(const struct model *m, pid_t pid)
{
    unsigned until = m->steps + (unsigned)random_below(STEPS);
    siginfo_t ended = {.si_pid = 0};

    while (m->steps < until && ended.si_pid == 0) {
        (void)usleep(500);
        assert_int_equal(waitid(P_PID, (id_t)pid, &ended, WEXITED | WNOHANG | WNOWAIT), 0);
    }
    (void)usleep((useconds_t)random_below(15000));
}

static void fifty_deaths_lose_nothing_acknowledged(void **state)
{
    struct fixture *f = *state;
    struct model *m = model_new();
    int status;

    m->threads = true;
    fixture_close(f);
    for (unsigned round = 0; round < 50; round++) {
        pid_t pid = fork();

        assert_true(pid >= 0);
        if (pid == 0)
            child(m, f);
        let_it_work(m, pid);
        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) == 3);
        if (fixture_open(f) != 0)
            fail_msg("round %u: %s", round, err_text(&f->e));
        assert_int_equal(f->report.damaged, 0);
        model_verify(m, f);
        fixture_close(f);
    }
    assert_true(m->next > 50 && m->turns > 3 && m->pairs > 3); /* it did work meanwhile */
    model_free(m);
    assert_int_equal(fixture_open(f), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(fifty_deaths_lose_nothing_acknowledged, fixture_setup,
                                        fixture_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
