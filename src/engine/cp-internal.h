/* What the files of cp share.
 *
 * cp-plan.c  docker's path rules, as a pure function
 * cp-pack.c  a file or tree to a tar stream
 * cp-unpack.c  a tar stream to files
 * cp-enter.c  the container's root as a descriptor
 * cp.c       two processes, one on each side of a pipe */
#pragma once
#include "base/err.h"
#include "codec/tar.h"
#include "engine/cp.h"
#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

/* ---- rules ---- */

struct cp_source {
	const char *path; /* as given */
	mode_t mode;      /* its type; a link counts as such unless it is to be followed */
};

struct cp_target {
	const char *path;
	bool exists;
	mode_t mode; /* after following links */
};

/* Where what arrives goes: below the directory `dir`, named `name`. An empty name means that the
 * source's content goes straight into dir. */
struct cp_place {
	char dir[PATH_MAX];
	char name[NAME_MAX + 1];
};

int cp_place(const struct cp_source *src, const struct cp_target *dst, struct cp_place *ret,
             struct err *err);
/* "CONTAINER:PATH" into its halves. Returns false for a path of the host. */
bool cp_split(const char *text, char **ret_container, const char **ret_path);
/* A link is followed when the path demands a directory ("x/", "x/."). */
bool cp_wants_directory(const char *path);
/* The last component of a path, "" for one that names a directory by itself ("/", "x/.", ".."). */
void cp_base_name(const char *path, char ret[NAME_MAX + 1]);

/* ---- packing ---- */

struct pack_source {
	int parent_fd; /* with name: AT_FDCWD or a directory; the last component is not followed */
	const char *name; /* NULL: top_fd is the thing itself */
	int top_fd;       /* O_RDONLY, a directory or a regular file */
	const char *as;   /* name in the archive; "": a directory's content without a top entry */
	bool xattrs;      /* user.* attributes, ACLs and file capabilities too */
	bool is_layer;    /* an overlay's upper directory: whiteouts and opaque directories become
	                   * what the image specification calls them */
	bool stay;        /* do not cross into other file systems */
};

/* In the order of names. Symbolic links are packed as links. Sockets are left out. */
int cp_pack(const struct pack_source *src, struct tar_writer *w, struct err *err);

/* ---- unpacking ---- */

enum unpack_flags {
	/* links on the way are followed inside the root (a container: its own affair); without it
	 * a link on the way is refused (the host, and what comes is from a container) */
	UNPACK_FOLLOW_IN_ROOT = 1u << 0,
	UNPACK_KEEP_OWNER = 1u << 1, /* ids, set-id bits, devices and attributes of the archive */
};

/* Reads in_fd to its end. dir: below root_fd, must exist; "" is root_fd itself. An existing file is
 * replaced; a directory never by something else, nor something else by a directory. compressed: the
 * stream may be gzip or zstd. */
int cp_unpack(int root_fd, const char *dir, unsigned flags, bool compressed, int in_fd,
              struct err *err);

/* ---- entering ---- */

struct engine;
/* In a child process: the root of a container as an O_PATH descriptor; the process's own root
 * becomes the same. For one that does not run, its layers and volumes are mounted in a mount
 * namespace of this process alone. */
int cp_enter(struct engine *e, const char *id, int *ret_root_fd, struct err *err);
