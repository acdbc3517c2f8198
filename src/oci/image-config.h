/* image-config: the configuration of an image (image-spec config.md, and what docker adds).
 *
 * What comes out of a parse is bounded and checked: sizes, counts, diff_ids as digests, history
 * that fits the layers. Strings are data from strangers: user, paths and labels are not yet
 * resolved or trusted. A config is hashed as bytes; `struct image_config` is never the source of a
 * digest unless image_config_to_json() made those bytes. */
#pragma once
#include "base/err.h"
#include "base/strv.h"
#include "codec/digest.h"
#include "codec/json.h"
#include "oci/platform.h"
#include <stdint.h>

#define IMAGE_CONFIG_MAX_BYTES (8u << 20)
#define IMAGE_MAX_LAYERS       512

struct image_healthcheck {
	bool present;
	struct strv test;    /* "NONE" | "CMD", args... | "CMD-SHELL", command */
	int64_t interval_ns; /* 0: default */
	int64_t timeout_ns;
	int64_t start_period_ns;
	int64_t start_interval_ns;
	int64_t retries;
};

struct image_history {
	char *created;    /* RFC 3339 as written, or NULL */
	char *created_by; /* or NULL */
	char *author;
	char *comment;
	bool empty_layer;
};

struct image_config {
	struct platform platform;
	int64_t created_ns; /* since the epoch; 0 when absent */
	char *created;      /* RFC 3339 as written, or NULL */
	char *author;
	/* what a container starts with; strings may be NULL */
	char *user;
	char *workdir;
	char *stop_signal;
	char *hostname; /* docker: of the container that was committed */
	char *domainname;
	struct strv env; /* NAME=VALUE */
	struct strv entrypoint;
	struct strv cmd;
	struct strv shell;
	struct strv on_build;
	struct strv volumes;       /* absolute paths, sorted */
	struct strv exposed_ports; /* "80/tcp", sorted */
	struct strv labels;        /* NAME=VALUE, sorted */
	struct image_healthcheck healthcheck;
	bool args_escaped;
	struct digest *diff_ids; /* bottom first */
	size_t n_diff_ids;
	struct image_history *history;
	size_t n_history;
};

#define IMAGE_CONFIG_INIT ((struct image_config){ 0 })
#define AUTO_IMAGE_CONFIG __attribute__((cleanup(image_config_done))) struct image_config

int image_config_parse(const char *what, const char *text, size_t len, struct image_config *ret,
                       struct err *err);
void image_config_done(struct image_config *c);
/* A fresh document, for images made here (import, commit). */
struct json_object *image_config_to_json(const struct image_config *c);
/* The "config"/"Config" object alone, docker-shaped: what inspect shows. */
struct json_object *image_config_run_json(const struct image_config *c);

/* Apply one Dockerfile instruction as `import -c` and `commit -c` take it: CMD, ENTRYPOINT, ENV,
 * EXPOSE, LABEL, STOPSIGNAL, USER, VOLUME, WORKDIR, ONBUILD, HEALTHCHECK is refused by name. */
int image_config_change(struct image_config *c, const char *instruction, struct err *err);
