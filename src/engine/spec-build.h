/* spec-build: from options and an image's configuration to a runtime spec.
 *
 * Two steps, because a container's root is mounted only inside its own mount namespace:
 *  1. spec_build(), in the process that makes the container: everything that needs no root file
 *     system. Pure but for reading host facts (devices, seccomp profile files, environment).
 *  2. spec_finish(), called from struct runtime_create_args.mount_rootfs in the container's init,
 *     with the fresh root's fd, before pivot_root: looks the user up in the image's /etc/passwd and
 *     /etc/group, makes the working directory, fills fresh volumes from the image. It changes
 *     the child's copy of the spec: its process.user, additional groups and HOME.
 * Rules of thumb are docker's; docs/limits.md lists where we differ. */
#pragma once
#include "base/err.h"
#include "base/strv.h"
#include "engine/options.h"
#include <stdbool.h>
#include <sys/types.h>

struct image_config;
struct oci_spec;

/* What another container tells us for --network/--pid/--ipc/... container:ID. */
struct spec_peer {
	pid_t pid; /* of its init, running */
	char id[65];
};

struct spec_build_env {
	const char *id;             /* 64 hexadecimal digits */
	const char *name;           /* of the container */
	const char *root_path;      /* absolute path of ROOT */
	const char *container_path; /* absolute: ROOT/containers/ID, with hosts, hostname,
	                               resolv.conf */
	const char *init_path;      /* absolute path of dhow-init, needed with --init */
	char *const *host_env;      /* for -e NAME not yet resolved; NULL: nothing is taken */
	bool rootless;              /* rootless_is(): already inside the user's namespace */
	bool has_cgroup;            /* cgroups may be made: false for most ordinary users */
	/* Find a running container by id or name. E_NOT_FOUND, E_STATE. NULL: refused. */
	int (*find_peer)(void *ctx, const char *name, struct spec_peer *ret, struct err *err);
	void *find_peer_ctx;
};

/* opts must have passed container_options_check() and volumes_prepare() (volumes.h), and name no
 * `container:` that find_peer cannot find. *ret is initialised here, also on failure; the caller
 * ends it with oci_spec_done(). */
int spec_build(const struct container_options *opts, const struct image_config *image,
               const struct spec_build_env *env, struct oci_spec *ret, struct err *err);

/* Step 2: see above. root_fd: the container's root, mounted and writable unless read-only.
 * Everything below it is reached with openat2(RESOLVE_IN_ROOT); what is not a regular file of
 * sane size is refused. */
int spec_finish(const struct container_options *opts, const struct image_config *image,
                const struct spec_build_env *env, int root_fd, struct oci_spec *spec,
                struct err *err);

/* At create time, before the options are saved: what depends on the host's files and environment is
 * read now, so that a later start finds the same container: --env-file and -e NAME become -e
 * NAME=VALUE, --label-file becomes labels, seccomp=FILE its text. host_env NULL: environ. */
int container_options_resolve(struct container_options *opts, char *const *host_env,
                              struct err *err);

/* argv of the container by docker's rules: entrypoint (option, else image) followed by the
 * arguments (given, else the image's Cmd unless --entrypoint was given). E_INVALID if empty. */
int command_build(const struct container_options *opts, const struct image_config *image,
                  struct strv *ret, struct err *err);

/* --entrypoint: a JSON array of strings, or one word; "" is none. Appended to ret. */
int entrypoint_parse(const char *text, struct strv *ret, struct err *err);

/* Environment: image, then --env-file, then -e (`NAME` alone is taken from host_env, and dropped
 * when it is not set there). Image entries are taken verbatim and never expanded or looked up
 * on the host (CVE-2026-57231). Also for exec (image may be NULL). */
int env_build(const struct strv *image_env, const struct strv *env_files, const struct strv *env,
              char *const *host_env, struct strv *ret, struct err *err);
