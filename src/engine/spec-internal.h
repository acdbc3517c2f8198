/* The steps of spec_build(): each looks at its options and changes the spec. */
#pragma once
#include "engine/mounts-parse.h"
#include "engine/spec-build.h"
#include "oci/image-config.h"
#include "oci/spec.h"

#define INIT_INSIDE "/run/dhow-init" /* where --init finds ours */

struct spec_ctx {
	const struct container_options *opts;
	const struct image_config *image;
	const struct spec_build_env *env;
	struct network_choice network;
	struct spec_peer net_peer; /* NETWORK_CONTAINER */
	struct mount_requests mounts;
	struct oci_spec *spec;
	struct err *err;
};

int spec_process(struct spec_ctx *c);    /* spec-process.c: argv, env, cwd, caps, ulimits */
int spec_namespaces(struct spec_ctx *c); /* spec-namespaces.c: and what follows from sharing one */
int spec_mounts(struct spec_ctx *c);     /* spec-mounts.c */
int spec_devices(struct spec_ctx *c);    /* spec-devices.c */
int spec_security(struct spec_ctx *c);   /* spec-security.c: seccomp, masks, sysctls */
int spec_limits(struct spec_ctx *c);     /* spec-limits.c: cgroup resources */

/* Checks that need no image, for container_options_check(). */
int caps_check(const struct container_options *opts, struct err *err);
int ulimits_check(const struct container_options *opts, struct err *err);
int security_check(const struct container_options *opts, struct err *err);
int sysctls_check(const struct container_options *opts, struct err *err);
int limits_check(const struct container_options *opts, struct err *err);
int namespaces_check(const struct container_options *opts, struct err *err);
int devices_check(const struct container_options *opts, struct err *err);

/* A detached copy of the mount at `path` in the mount namespace of a process; caller closes. */
int peer_mount_open(pid_t pid, const char *path, struct err *err); /* spec-peer.c */

/* The bounding set the container gets. */
uint64_t caps_build(const struct container_options *opts);
/* Capabilities we could give: our own bounding set. */
uint64_t caps_available(void);
