/* auth: who may come in: a file of htpasswd with bcrypt hashes, and HTTP Basic (RFC 7617).
 *
 * A password that was right is remembered for a while as a keyed digest, so that not every request
 * pays for bcrypt; at most AUTH_PARALLEL hashes are computed at a time. A user who does not exist
 * costs the same time as one who does. Thread-safe. */
#pragma once
#include "base/err.h"
#include <stdbool.h>

#define AUTH_FILE_MAX  (1u << 20)
#define AUTH_USERS_MAX 4096
#define AUTH_USER_MAX  255
#define AUTH_PARALLEL  2

struct auth;
/* Opens libcrypt, reads the file. E_INVALID names the line. */
int auth_new(const char *path, struct auth **ret, struct err *err);
void auth_free(struct auth *auth);
DEFINE_FREEP(struct auth, auth_free)
/* Read the file again; when it is bad, what was read before stays. */
int auth_reload(struct auth *auth, struct err *err);
/* The value of an Authorization header. *ret_user is theirs, for the caller to free, on true. */
bool auth_check(struct auth *auth, const char *authorization, char **ret_user);

struct auth_user {
	char *name;
	char *hash;
};
/* The text of such a file: "NAME:HASH" a line; blank lines and '#' comments are skipped. */
int auth_parse(const char *what, const char *text, struct auth_user **ret, size_t *ret_n,
               struct err *err);
void auth_users_free(struct auth_user *users, size_t n);
/* Caller frees both. -1 when the header is not Basic with user and password. */
int auth_parse_basic(const char *header, char **ret_user, char **ret_password);
