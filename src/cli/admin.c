#include "cli/admin.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/io.h"
#include "base/progress.h"
#include "cli/cli.h"
#include "jail/msg.h"

static int reach(const char *path, int *out, struct err *e)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int fd, rc = 0;

    if (strlen(path) >= sizeof(a.sun_path))
        return err_set(e, -EINVAL, "the admin socket's path is longer than %zu characters: \"%s\"",
                       sizeof(a.sun_path) - 1, path);
    memcpy(a.sun_path, path, strlen(path) + 1);
    fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return err_sys(e, -errno, "making a socket");
    if (connect(fd, (const struct sockaddr *)&a, sizeof(a)) != 0)
        rc = -errno;
    if (rc != 0) {
        io_close(&fd);
        if (rc == -ENOENT || rc == -ECONNREFUSED)
            return err_set(e, -ECONNREFUSED,
                           "no site listens on \"%s\"; start it with \"glarus site run\"", path);
        return err_sys(e, rc, "reaching \"%s\"", path);
    }
    *out = fd;
    return 0;
}

/* heard NULL: it is printed. */
static int listen_to(struct msg_chan *chan, const char *title, FILE *meanwhile, char *heard,
                     struct err *e)
{
    struct pm_admin_says says;
    struct progress bar;
    struct msg m;
    bool shown = false;
    int rc;

    while ((rc = msg_recv_wait(chan, &m, -1, e)) == 0) {
        memcpy(&says, m.body.p, sizeof(says));
        says.text[sizeof(says.text) - 1] = '\0';
        if (says.end)
            break;
        if (says.total > 0 && !shown) {
            progress_begin(&bar, title, "files", says.total);
            shown = true;
        }
        if (shown)
            progress_step(&bar, says.done);
        else
            (void)cli_put(meanwhile, says.text);
    }
    if (shown)
        progress_end(&bar);
    if (rc == -EPIPE)
        return err_set(e, -EPIPE, "the site ended the conversation; look at its log");
    if (rc != 0)
        return rc;
    if (says.rc != 0)
        return err_set(e, says.rc, "%s", says.text);
    if (heard != NULL)
        memcpy(heard, says.text, sizeof(says.text));
    else if ((rc = cli_put(stdout, says.text)) != 0)
        return err_sys(e, rc, "telling the answer");
    return 0;
}

/* The document as a descriptor; -1: none is sent. */
static int document_fd(const struct admin_ask *ask, int *out, struct err *e)
{
    int rc = 0;

    *out = -1;
    if (ask->file != NULL && (*out = open(ask->file, O_RDONLY | O_CLOEXEC)) < 0)
        return err_sys(e, -errno, "opening \"%s\"", ask->file);
    if (ask->bytes.n == 0)
        return 0;
    if ((*out = memfd_create("document", MFD_CLOEXEC)) < 0)
        rc = -errno;
    else if ((rc = io_write_all(*out, ask->bytes.p, ask->bytes.n)) != 0)
        io_close(out);
    return rc == 0 ? 0 : err_sys(e, rc, "handing over the document");
}

static int converse(const struct config *c, const struct admin_ask *ask, const char *title,
                    char *heard, struct err *e)
{
    struct pm_admin m;
    struct msg_chan *chan = NULL;
    int sock = -1, fd = -1, rc;

    memset(&m, 0, sizeof(m));
    m.what = (uint32_t)ask->what;
    m.document = (uint32_t)ask->document;
    m.digest = ask->digest;
    if ((rc = document_fd(ask, &fd, e)) != 0)
        return rc;
    if ((rc = reach(c->admin, &sock, e)) == 0 &&
        (rc = msg_open(&chan, sock, &proto_admin, MSG_A, e)) == 0) {
        rc = msg_send_wait(chan, fd < 0 ? PA_ASK : PA_ASK_FILE, 1, span_of(&m, sizeof(m)),
                           fd < 0 ? NULL : &fd, 5000);
        /* what is said on the way is progress; a state is the answer itself */
        rc = rc == 0 ? listen_to(chan, title, ask->what == ADMIN_STATUS ? stdout : stderr, heard, e)
                     : err_sys(e, rc, "asking the site");
    }
    msg_close(chan);
    io_close(&fd);
    return rc;
}

int admin_do(const struct config *c, const struct admin_ask *ask, const char *title, struct err *e)
{
    return converse(c, ask, title, NULL, e);
}

int admin_hear(const struct config *c, const struct admin_ask *ask, char text[1024], struct err *e)
{
    return converse(c, ask, "", text, e);
}
