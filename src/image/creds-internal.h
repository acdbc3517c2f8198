/* creds: who we are to a registry: --creds, auth.json, docker's config.json, credential helpers.
 * A file that is there but cannot be understood is an error: credentials are never guessed
 * (CVE-2021-41092). */
#pragma once
#include "base/err.h"

struct creds {
	char *user; /* NULL: anonymous */
	char *password;
	char *identity_token; /* instead of both: an OAuth2 refresh token */
};
void creds_done(struct creds *c); /* wipes them */
#define AUTO_CREDS __attribute__((cleanup(creds_done))) struct creds

/* "USER:PASSWORD". */
int creds_parse(const char *s, struct creds *ret, struct err *err);
/* For a registry and a path in it; the longest entry that covers both wins. authfile NULL: the
 * usual places, in podman's order; naming one that is missing is an error. Nothing found: *ret
 * stays empty. May run a credential helper: call it before threads start. */
int creds_find(const char *authfile, const char *domain, const char *path, struct creds *ret,
               struct err *err);
/* "Basic ...": the value of an Authorization header. Caller wipes and frees. */
char *creds_basic(const struct creds *c);
