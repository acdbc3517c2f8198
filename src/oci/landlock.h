/* oci/landlock: the Landlock rules of a configuration, `linux.landlock` or the annotation
 * `org.dhow.landlock`, which holds the same object as text. No part of runtime-spec 1.3; the shape
 * is that of its open proposal, with the kernel's own names for rights, or their numbers, so that
 * rights newer than this program can be used:
 *
 *   { "ruleset": { "handledAccessFS": ["LANDLOCK_ACCESS_FS_READ_FILE", 65536],
 *                  "handledAccessNet": [...], "scoped": [...] },
 *     "rules": { "pathBeneath": [ { "paths": ["/usr"], "allowedAccess": [...],
 *                                   "ignoreMissing": false } ],
 *                "netPort": [ { "ports": [443], "allowedAccess": [...] } ] },
 *     "restrictFlags": [...], "disableBestEffort": false } */
#pragma once
#include "base/err.h"
#include "base/strv.h"
#include <stdbool.h>
#include <stdint.h>

#define OCI_LANDLOCK_ANNOTATION "org.dhow.landlock"

struct oci_landlock_path {
	struct strv paths; /* absolute, inside the container */
	uint64_t access;
	bool ignore_missing;
};

struct oci_landlock_port {
	uint16_t *ports;
	size_t n_ports;
	uint64_t access;
};

struct oci_landlock {
	bool present;
	bool from_annotation; /* and so not written to config.json a second time */
	bool required;        /* disableBestEffort: all of it, or no container */
	uint64_t fs, net, scoped;
	uint32_t restrict_flags;
	struct oci_landlock_path *paths;
	size_t n_paths;
	struct oci_landlock_port *ports;
	size_t n_ports;
};

enum oci_landlock_kind {
	OCI_LANDLOCK_FS,
	OCI_LANDLOCK_NET,
	OCI_LANDLOCK_SCOPE,
	OCI_LANDLOCK_RESTRICT,
	OCI_LANDLOCK_KIND_MAX
};

void oci_landlock_done(struct oci_landlock *l);
/* Names of the bits, and one "0x..." for those without. */
void oci_landlock_names(enum oci_landlock_kind kind, uint64_t bits, struct strv *ret);
/* Every name known, for `features`. */
uint64_t oci_landlock_known(enum oci_landlock_kind kind);
