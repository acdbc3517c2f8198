/* mounts-parse: -v, --mount and --tmpfs, from text to values.
 *
 * -v [SOURCE:]TARGET[:OPTIONS]: a source with a leading '/' or '.' is a path of the host (made as a
 * directory when missing, as docker does), any other is the name of a volume; without one, an
 * anonymous volume. Options: ro, rw, exec, noexec, suid, nosuid, dev, nodev, nocopy, [r]shared,
 * [r]slave, [r]private; z and Z (SELinux labels) and docker's consistency hints change nothing
 * here, as no LSM is active.
 * --mount type=bind|volume|tmpfs|image,KEY=VALUE,...: docker's keys; unknown ones are refused by
 * name. */
#pragma once
#include "base/err.h"
#include "base/strv.h"
#include "engine/options.h"
#include <stdbool.h>

enum mount_kind { MOUNT_KIND_BIND, MOUNT_KIND_VOLUME, MOUNT_KIND_TMPFS, MOUNT_KIND_IMAGE };

struct mount_request {
	enum mount_kind kind;
	char *source; /* bind: absolute path of the host; volume: its name, NULL for an anonymous
	                 one; image: its name, from create on its id */
	char *target; /* absolute, cleaned: no "//", ".", ".." or trailing slash; never "/" */
	struct strv options; /* mount options as the runtime spec writes them ("ro", "rslave") */
	struct strv labels;  /* volume-label: of a volume made here */
	char *subpath;       /* below the volume or the image's root; NULL for all of it */
	bool read_only;
	bool no_copy;       /* volume: never filled from the image */
	bool create_source; /* bind: a missing source is made as a directory */
	bool non_recursive; /* bind: without the mounts below the source */
	bool anonymous;     /* volume: named by us, removed with the container */
	const char *option; /* "--volume", "--mount", "--tmpfs", "VOLUME" (of the image) */
	char *text;         /* as the user wrote it, for messages */
};

struct mount_requests {
	struct mount_request *items;
	size_t count;
};

#define AUTO_MOUNTS __attribute__((cleanup(mount_requests_done))) struct mount_requests
void mount_requests_done(struct mount_requests *list);

/* Everything the options ask for, then the image's VOLUMEs (may be NULL) that no option covers,
 * sorted so that a parent comes before what is mounted in it. Two mounts on one target are
 * refused. Looks at no file. */
int mount_requests_parse(const struct container_options *opts, const struct strv *image_volumes,
                         struct mount_requests *ret, struct err *err);

/* A bind mount's source must be there, or is made (create_source). */
int mount_source_check(const struct mount_request *m, struct err *err);

/* Clean a path as the container sees it: E_INVALID when it is not absolute. Caller frees. */
int container_path_clean(const char *path, char **ret, struct err *err);
bool volume_name_is_valid(const char *name);
