/* endpoint: where an image may be had from: mirrors, then the registry that its name says.
 *
 * Who decides, in this order: an entry of registries.conf for the reference; hosts.toml of
 * containerd (/etc/containerd/certs.d/HOST, also HOST_PORT_ and _default); the name itself. */
#pragma once
#include "base/strv.h"
#include "image/registries.h"

enum endpoint_capability {
	ENDPOINT_PULL = 1u << 0,    /* by digest */
	ENDPOINT_RESOLVE = 1u << 1, /* by tag */
	ENDPOINT_PUSH = 1u << 2,
	ENDPOINT_ALL = 7,
};

struct endpoint {
	char *domain; /* HOST[:PORT]: for certificates and credentials, and what messages say */
	char *path;   /* the repository there */
	bool is_mirror;
	bool insecure; /* http and unverified certificates are fine */
	unsigned capabilities;
	/* of hosts.toml */
	char *root_url;  /* "https://HOST/v2"; NULL: https://DOMAIN/v2, or http where allowed */
	char *namespace; /* sent along as ?ns=: the registry a mirror stands for; or NULL */
	bool skip_verify;
	struct strv headers;  /* "Name: value" */
	struct strv ca_files; /* in addition to certs.d */
	char *cert_file;      /* client certificate, and its key (NULL: in the same file) */
	char *key_file;
};
void endpoint_done(struct endpoint *e);
void endpoints_free(struct endpoint *list, size_t n);

/* Those with the capability, in the order to be tried; at least one, or an error. */
int endpoints_find(const struct registries *r, const struct image_ref *ref, unsigned capability,
                   struct endpoint **ret, size_t *ret_n, struct err *err);
/* hosts.toml below one of `roots` ("/etc/containerd/certs.d"). Return 1 when there is one. */
int hosts_toml_find(const char *root, const struct image_ref *ref, struct endpoint **ret,
                    size_t *ret_n, struct err *err);
/* dir: what relative names of files are relative to. Public for tests and fuzzing. */
int hosts_toml_parse(const char *what, const char *dir, const char *text, size_t len,
                     const struct image_ref *ref, struct endpoint **ret, size_t *ret_n,
                     struct err *err);

/* The proxy for a registry by our own proxies.toml: 1 when it has a say; *ret is a URL, or "" for
 * no proxy at all. 0: the environment decides. Caller frees. */
int proxy_find(const char *domain, const char *path, char **ret, struct err *err);
int proxies_parse(const char *what, const char *text, size_t len, const char *domain,
                  const char *path, size_t *best, char **ret, struct err *err);
