/* update.c REPOSITORY FOLDER TRUST [ROOT] - glarus_update for update.sh: the code, and what it
 * gave. Knows nothing but the public header. */
#include <glarus.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    glarus_release *r = NULL;
    glarus_trust *trust = NULL;
    glarus_error e;
    int rc;

    if (argc < 4 || argc > 5) {
        (void)fprintf(stderr, "usage: update REPOSITORY FOLDER TRUST [ROOT]\n");
        return 2;
    }
    rc = glarus_trust_load(&trust, argv[3], &e);
    if (rc == GLARUS_OK)
        rc = glarus_update(argv[1], argv[2], trust, argc == 5 ? argv[4] : NULL, &r, &e);
    if (rc != GLARUS_OK)
        (void)printf("%s: %s\n", glarus_code_word(e.code), e.text);
    else
        (void)printf("%s release %llu before %llu tree %s site %s %s fetched %s\n",
                     glarus_release_installed(r) ? "installed" : "had",
                     (unsigned long long)glarus_release_serial(r),
                     (unsigned long long)glarus_release_before(r), glarus_release_tree(r),
                     glarus_release_site(r), glarus_release_enforce(r) ? "enforced" : "detect-only",
                     glarus_release_fetched(r) > 0 ? "something" : "nothing");
    glarus_release_free(r);
    glarus_trust_free(trust);
    return rc;
}
