/* tree: what a layer's archive means, as a tree in memory, before anything is made of it.
 *
 * Both forms of a stored layer come from this tree (the EROFS index and the extracted directory),
 * so they cannot differ, and no name out of an archive is looked up on the host while the archive
 * is read. Rules (image-spec layer.md; where it is silent, what docker and containerd do):
 *   - the last of equal names wins; a directory over a directory keeps its children;
 *   - missing parents are made (0755, owner 0); a parent that is a symbolic link is followed
 *     inside this tree, whose root it cannot leave; any other non-directory parent is refused;
 *   - hard links name an entry that came earlier, no symbolic link as their last part is followed;
 *   - ".wh.NAME" hides NAME of lower layers only: TREE_WHITEOUT unless the layer itself has NAME;
 *     ".wh..wh..opq" marks its directory opaque; other ".wh..wh.*" are dropped;
 *   - overlayfs's own xattrs, security.* besides the capability, and namespaces Linux does not know
 *     are dropped.
 *
 * Memory: about 130 bytes an entry besides its name. */
#pragma once
#include "base/err.h"
#include "codec/tar.h"
#include <stdbool.h>
#include <stdint.h>

#define TREE_ROOT 0u /* node and inode number of the root directory */
#define TREE_NONE UINT32_MAX

enum tree_inode_flags {
	TREE_OPAQUE = 1u << 0,   /* a directory that hides lower layers' content */
	TREE_WHITEOUT = 1u << 1, /* not a file: it hides the name */
	TREE_IMPLIED = 1u << 2,  /* a parent that is not in the archive */
	TREE_SPARSE = 1u << 3,
};

struct tree_xattr {
	const char *name; /* NUL-terminated */
	const void *value;
	uint16_t name_len;
	uint32_t value_len;
};

struct tree_xattrs {
	size_t n;
	struct tree_xattr items[];
};

struct tree_extents {
	size_t n;
	struct tar_extent items[];
};

struct tree_inode {
	uint8_t type; /* enum tar_type, never TAR_HARDLINK */
	uint8_t flags;
	uint16_t mode; /* permission bits */
	uint32_t uid, gid;
	uint32_t nlink; /* set by tree_freeze; 0: not reachable */
	uint64_t size;  /* of a file or of a symbolic link's target */
	int64_t mtime_s;
	uint32_t mtime_ns;
	uint32_t user; /* for who walks the tree */
	union {
		uint64_t data_offset;               /* TAR_FILE: in the archive */
		const char *link;                   /* TAR_SYMLINK */
		const struct tree_extents *extents; /* TAR_FILE with TREE_SPARSE */
		struct {
			uint32_t dev_major, dev_minor;
		};
	};
	const struct tree_xattrs *xattrs; /* NULL: none */
};

/* A name in a directory. */
struct tree_node {
	const char *name;
	uint32_t parent; /* node number */
	uint32_t inode;
	uint32_t hash;
	uint32_t children; /* tree_freeze: index of the first in tree.order */
	uint32_t n_children;
	bool is_removed;
};

struct tree;

/* What a tree may grow to; E_LIMIT beyond. A few kilobytes of archive can ask for thousands of
 * missing parents, so entries of the archive are not what has to be counted. */
struct tree_limits {
	uint32_t max_nodes; /* names; 0: 4 million */
	size_t max_bytes;   /* of names, link targets, xattrs and sparse maps; 0: 512 MiB */
};

struct tree *tree_new(void);
struct tree *tree_new_limited(const struct tree_limits *limits);
void tree_free(struct tree *t);
DEFINE_FREEP(struct tree, tree_free)
/* Entries in archive order. E_INVALID and E_LIMIT name the entry. */
int tree_add(struct tree *t, const struct tar_entry *e, struct err *err);
/* Sort and count; nothing may be added afterwards. */
void tree_freeze(struct tree *t);

const struct tree_node *tree_node(const struct tree *t, uint32_t node);
struct tree_inode *tree_inode(struct tree *t, uint32_t inode);
/* Node numbers of a directory's children, in the order of strcmp(3). Frozen trees only. */
const uint32_t *tree_children(const struct tree *t, uint32_t node, size_t *ret_count);
uint32_t tree_inode_count(const struct tree *t); /* numbers in use, unreachable ones included */
/* The node at a normalised path, following no symbolic link; TREE_NONE when there is none. */
uint32_t tree_find(const struct tree *t, const char *path);
