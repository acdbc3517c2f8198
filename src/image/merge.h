/* merge: what an image's files are, without mounting it: the trees of its layers (codec/tree.h),
 * read from the headers of their tars and laid over one another by overlayfs's rules: a later
 * layer's entry replaces an earlier one's, a directory over a directory keeps its children,
 * whiteouts hide, an opaque directory hides all that is below it.
 *
 * Needs no privileges. Memory: about 300 bytes a file. A merge borrows nothing; it holds the
 * layers' tars open, so that contents can be read as long as it lives, whatever is removed
 * meanwhile. */
#pragma once
#include "image/image.h"

struct merge;
struct tree_inode;

struct merge_entry {
	char *name;
	struct merge_entry *parent;     /* NULL: the root */
	const struct tree_inode *inode; /* codec/tree.h */
	uint32_t inode_number;          /* with `layer`: the same for all names of a file */
	uint32_t layer;                 /* which one it comes from, bottom is 0 */
	struct merge_entry **children;  /* by name; NULL unless a directory */
	size_t n_children;
	void *index; /* the merge's own */
};

enum merge_flags { MERGE_KEEP_WHITEOUTS = 1u << 0 }; /* as entries: of a single layer */
/* diff_ids: n of them, bottom first. */
int merge_read(struct image_store *store, const struct digest *diff_ids, size_t n, unsigned flags,
               struct merge **ret, struct err *err);
void merge_free(struct merge *m);
DEFINE_FREEP(struct merge, merge_free)
#define AUTO_MERGE __attribute__((cleanup(merge_freep))) struct merge

const struct merge_entry *merge_root(const struct merge *m);
/* At a path, following no link; NULL when there is none. */
const struct merge_entry *merge_find(const struct merge *m, const char *path);
/* "/usr/bin/env". Caller frees. */
char *merge_path(const struct merge_entry *e);

/* Whether two regular files of one size have the same bytes. 1, 0 or -1. */
int merge_same_content(const struct merge *a, const struct merge_entry *x, const struct merge *b,
                       const struct merge_entry *y, struct err *err);
/* All of it as one layer, in order of names, with hard links within a layer kept. */
struct tar_writer;
int merge_write_tar(const struct merge *m, struct tar_writer *w, struct err *err);
