/* login: prove credentials to a registry, and keep them in auth.json.
 * The file is podman's (also read by skopeo and buildah): the named one, $REGISTRY_AUTH_FILE,
 * $XDG_RUNTIME_DIR/containers/auth.json, or /run/containers/UID/auth.json. It is replaced as a
 * whole, mode 0600; keys in it that are not ours are kept. Passwords in it are encoded, not
 * encrypted. */
#pragma once
#include "base/err.h"
#include <signal.h>
#include <stdbool.h>

struct login {
	const char *domain; /* "docker.io", "localhost:5000" */
	const char *user;
	const char *password;
	int tls_verify; /* as in pull_options */
	const char *cert_dir;
	const volatile sig_atomic_t *cancel;
};

/* Ask the registry whether it takes the credentials: E_AUTH when not. Nothing is stored. */
int registry_login(const struct login *login, struct err *err);

int creds_store(const char *authfile, const char *domain, const char *user, const char *password,
                struct err *err);
/* domain NULL: all. *ret_count: how many entries went. */
int creds_forget(const char *authfile, const char *domain, int *ret_count, struct err *err);
/* Who is logged in, or NULL in *ret_user. Caller frees. */
int creds_user(const char *authfile, const char *domain, char **ret_user, struct err *err);
