/* registries: registries.conf, as containers-registries.conf(5) describes it (version 2).
 *
 * Read from $CONTAINERS_REGISTRIES_CONF, else $XDG_CONFIG_HOME/containers/registries.conf (default
 * ~/.config), else /etc/containers/registries.conf; then, in order of their names, the *.conf in
 * /etc/containers/registries.conf.d (not where a user's own file was found) and in the user's
 * registries.conf.d; of equal prefixes and aliases the last one counts.
 * $CONTAINERS_REGISTRIES_CONF_DIR replaces both folders. Nothing at all is an empty configuration:
 * a short name means docker.io then.
 *
 * Version 1 ([registries.search]) is refused by name. Unknown keys are ignored with a debug line,
 * as by other readers of the file: it is shared with them. */
#pragma once
#include "base/err.h"
#include "base/strv.h"
#include "codec/digest.h"
#include "oci/ref.h"
#include <stdbool.h>

enum mirror_use { MIRROR_ALL = 0, MIRROR_DIGEST_ONLY, MIRROR_TAG_ONLY };

struct registry_mirror {
	char *location; /* HOST[:PORT][/PATH] */
	bool insecure;
	enum mirror_use use;
};

struct registry_entry {
	char *prefix;   /* HOST[:PORT][/PATH] or *.HOST */
	char *location; /* NULL: where the reference points (only with *.HOST) */
	char *origin;   /* the file */
	bool insecure;
	bool blocked;
	bool by_digest_only;
	struct registry_mirror *mirrors;
	size_t n_mirrors;
};

enum short_name_mode { SHORT_UNSET = 0, SHORT_DISABLED, SHORT_PERMISSIVE, SHORT_ENFORCING };

struct short_alias {
	char *name;
	char *value; /* NULL: taken back by a later file */
};

struct registries {
	struct registry_entry *entries;
	size_t n_entries;
	struct strv search; /* unqualified-search-registries */
	bool has_search;    /* it was given, if only to be empty */
	char *search_origin;
	struct strv credential_helpers; /* empty: auth files only */
	enum short_name_mode mode;      /* SHORT_UNSET: permissive */
	struct short_alias *aliases;
	size_t n_aliases;
};
#define REGISTRIES_INIT ((struct registries){ 0 })
void registries_done(struct registries *r);
#define AUTO_REGISTRIES __attribute__((cleanup(registries_done))) struct registries

/* Every file, and the cache of short names. */
int registries_load(struct registries *ret, struct err *err);
/* One document, merged over what *ret holds. Public for tests and fuzzing. */
int registries_parse(const char *what, const char *text, size_t len, struct registries *ret,
                     struct err *err);

/* The entry with the longest prefix of the reference; NULL: none. */
const struct registry_entry *registries_find(const struct registries *r,
                                             const struct image_ref *ref);
/* E_PERM when the registry of the reference is blocked. */
int registries_check_blocked(const struct registries *r, const struct image_ref *ref,
                             struct err *err);

/* A place to get an image from, in the order to be tried. */
struct pull_source {
	char *domain;
	char *path;
	bool insecure; /* http and unverified certificates are fine */
	bool is_mirror;
};
void pull_sources_free(struct pull_source *sources, size_t n);
/* Mirrors that may serve the reference, then the registry itself. Blocked: E_PERM. */
int registries_sources(const struct registries *r, const struct image_ref *ref,
                       struct pull_source **ret, size_t *ret_n, struct err *err);

/* --- short names --- */

struct short_names {
	struct strv names; /* whole references to try, in order; at least one */
	bool is_short;     /* what was given named no registry */
	bool from_alias;
	bool must_choose; /* somebody has to choose among names (or, not on a terminal, refuse) */
	bool record;      /* remember the choice (short_name_record) */
};
void short_names_done(struct short_names *s);
#define SHORT_NAMES_INIT ((struct short_names){ 0 })
#define AUTO_SHORT_NAMES __attribute__((cleanup(short_names_done))) struct short_names

bool is_short_name(const char *name);
/* interactive: somebody can be asked. Names with a registry come back as they are. */
int short_names_resolve(const struct registries *r, const char *name, bool interactive,
                        struct short_names *ret, struct err *err);
/* Keep in the user's cache that `name` means the repository of `full`. */
int short_name_record(const char *name, const char *full, struct err *err);
