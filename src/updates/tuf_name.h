/* tuf_name.h - names of roles and targets as URLs and as files. */
#ifndef UPDATES_TUF_NAME_H
#define UPDATES_TUF_NAME_H

#include "base/buf.h"

#define TUF_FILE_NAME_MAX 255 /* what file systems take */

/* RFC 3986 2.3: all but letters, digits and "-._~" becomes %XX, each byte by itself, '/' too. */
MUST_CHECK int tuf_name_quote(struct buf *b, const char *s);
/* The same, but what a URL's path may have stays: '/', "!$&'()*+,;=:@", and %XX where it is one
 * already: a target's path is recommended to be a URL's path (TUF 4.5). */
MUST_CHECK int tuf_name_url_path(struct buf *b, const char *s);
/* A file's name in one folder for any s: quoted, and no dot at the start, so that it is neither
 * hidden nor "." nor "..".  -E2BIG above TUF_FILE_NAME_MAX bytes. */
MUST_CHECK int tuf_name_file(struct buf *b, const char *s, const char *suffix);

#endif
