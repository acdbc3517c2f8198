#include "image/merge.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/strbuf.h"
#include "base/table.h"
#include "base/xalloc.h"
#include "codec/tree.h"
#include "image/image-internal.h"
#include "image/layers-internal.h"

#define COMPARE_BYTES ((size_t)64 << 10)

/* A directory's children while layers are being laid over one another. */
struct child {
	struct merge_entry *entry;
	const char *name;
	UT_hash_handle hh;
};

struct merge {
	struct tree **trees;
	int *tars;
	size_t n;
	struct merge_entry *root;
};

/* --- building --- */

static struct child *children_of(struct merge_entry *e)
{
	return e->index;
}

static void entry_free(struct merge_entry *e);

static void clear_children(struct merge_entry *e)
{
	struct child *all = children_of(e), *c, *next;

	HASH_ITER(hh, all, c, next) {
		HASH_DEL(all, c);
		entry_free(c->entry);
		free(c);
	}
	e->index = NULL;
}

static void entry_free(struct merge_entry *e)
{
	clear_children(e);
	for (size_t i = 0; i < e->n_children; i++)
		entry_free(e->children[i]);
	free(e->children);
	free(e->name);
	free(e);
}

static struct child *find_child(struct merge_entry *dir, const char *name)
{
	struct child *all = children_of(dir), *c;

	HASH_FIND(hh, all, name, strlen(name), c);
	return c;
}

static void remove_child(struct merge_entry *dir, const char *name)
{
	struct child *all = children_of(dir), *c = find_child(dir, name);

	if (!c)
		return;
	HASH_DEL(all, c);
	dir->index = all;
	entry_free(c->entry);
	free(c);
}

static struct merge_entry *add_child(struct merge_entry *dir, const char *name)
{
	struct child *all = children_of(dir), *c = xcalloc(1, sizeof(*c));

	c->entry = xcalloc(1, sizeof(*c->entry));
	c->entry->name = xstrdup(name);
	c->entry->parent = dir;
	c->name = c->entry->name;
	HASH_ADD_KEYPTR(hh, all, c->name, strlen(c->name), c);
	dir->index = all;
	return c->entry;
}

static void set_inode(struct merge_entry *e, struct tree *t, uint32_t inode, uint32_t layer)
{
	e->inode = tree_inode(t, inode);
	e->inode_number = inode;
	e->layer = layer;
}

/* Depth is bounded by the length of a name in a tar: 2047 directories. */
static void lay_over(struct merge_entry *dir, struct tree *t, uint32_t node, uint32_t layer,
                     unsigned flags)
{
	size_t n;
	const uint32_t *children = tree_children(t, node, &n);

	for (size_t i = 0; i < n; i++) {
		const struct tree_node *child = tree_node(t, children[i]);
		const struct tree_inode *in = tree_inode(t, child->inode);
		struct child *old = find_child(dir, child->name);
		bool is_dir = in->type == TAR_DIR && !(in->flags & TREE_WHITEOUT);
		struct merge_entry *e;

		if (old && (!is_dir || old->entry->inode->type != TAR_DIR)) {
			remove_child(dir, child->name);
			old = NULL;
		}
		if (in->flags & TREE_WHITEOUT && !(flags & MERGE_KEEP_WHITEOUTS))
			continue;
		e = old ? old->entry : add_child(dir, child->name);
		set_inode(e, t, child->inode, layer);
		if (in->flags & TREE_OPAQUE)
			clear_children(e);
		if (is_dir)
			lay_over(e, t, children[i], layer, flags);
	}
}

static int compare_names(const void *a, const void *b)
{
	return strcmp((*(struct merge_entry *const *)a)->name,
	              (*(struct merge_entry *const *)b)->name);
}

/* From tables to sorted arrays. */
static void freeze(struct merge_entry *e)
{
	struct child *all = children_of(e), *c, *next;
	size_t n = 0;

	e->children = xcalloc(HASH_COUNT(all) + 1, sizeof(struct merge_entry *));
	HASH_ITER(hh, all, c, next) {
		HASH_DEL(all, c);
		e->children[n++] = c->entry;
		free(c);
	}
	e->index = NULL;
	e->n_children = n;
	if (n)
		qsort(e->children, n, sizeof(struct merge_entry *), compare_names);
	for (size_t i = 0; i < n; i++)
		if (e->children[i]->inode->type == TAR_DIR)
			freeze(e->children[i]);
}

int merge_read(struct image_store *store, const struct digest *diff_ids, size_t n, unsigned flags,
               struct merge **ret, struct err *err)
{
	AUTO_MERGE *m = xcalloc(1, sizeof(*m));

	m->trees = xcalloc(n + 1, sizeof(struct tree *));
	m->tars = xcalloc(n + 1, sizeof(*m->tars));
	m->root = xcalloc(1, sizeof(*m->root));
	m->root->name = xstrdup("");
	for (size_t i = 0; i < n; i++) {
		m->tars[i] = layer_store_open_tar(store->layers, &diff_ids[i], err);
		if (m->tars[i] < 0)
			return -1;
		m->n = i + 1;
		if (layer_tree_read(m->tars[i], &m->trees[i], err) < 0)
			return err_ctx(err, "layer %s", digest_format(&diff_ids[i]).s);
		set_inode(m->root, m->trees[i], tree_node(m->trees[i], TREE_ROOT)->inode,
		          (uint32_t)i);
		lay_over(m->root, m->trees[i], TREE_ROOT, (uint32_t)i, flags);
	}
	freeze(m->root);
	*ret = TAKE_PTR(m);
	return 0;
}

void merge_free(struct merge *m)
{
	if (!m)
		return;
	entry_free(m->root);
	for (size_t i = 0; i < m->n; i++) {
		tree_free(m->trees[i]);
		close(m->tars[i]);
	}
	free(m->trees);
	free(m->tars);
	free(m);
}

/* --- looking --- */

const struct merge_entry *merge_root(const struct merge *m)
{
	return m->root;
}

const struct merge_entry *merge_find(const struct merge *m, const char *path)
{
	const struct merge_entry *e = m->root;

	for (path += strspn(path, "/"); e && *path; path += strspn(path, "/")) {
		size_t len = strcspn(path, "/");
		AUTO_FREE char *name = xstrndup(path, len);
		struct merge_entry key = { .name = name }, *wanted = &key, **found;

		path += len;
		if (!strcmp(name, "."))
			continue;
		found = e->n_children ? bsearch(&wanted, e->children, e->n_children,
		                                sizeof(struct merge_entry *), compare_names)
		                      : NULL;
		e = found ? *found : NULL;
	}
	return e;
}

static void add_path(const struct merge_entry *e, struct strbuf *ret)
{
	if (!e->parent)
		return;
	add_path(e->parent, ret);
	strbuf_addf(ret, "/%s", e->name);
}

char *merge_path(const struct merge_entry *e)
{
	AUTO_BUF text = STRBUF_INIT;

	add_path(e, &text);
	if (!text.len)
		strbuf_addc(&text, '/');
	return strbuf_take(&text);
}

/* Bytes of a file from `at`, holes as zeros; len does not reach past its end. */
static int read_content(const struct merge *m, const struct merge_entry *e, uint64_t at, void *buf,
                        size_t len, struct err *err)
{
	const struct tree_inode *in = e->inode;
	int fd = m->tars[e->layer];

	if (!(in->flags & TREE_SPARSE)) {
		if (pread(fd, buf, len, (off_t)(in->data_offset + at)) != (ssize_t)len)
			return err_set(err, E_CORRUPT, "'%.200s': its layer is cut off", e->name);
		return 0;
	}
	memset(buf, 0, len);
	for (size_t i = 0; i < in->extents->n; i++) {
		const struct tar_extent *x = &in->extents->items[i];
		uint64_t from = x->offset > at ? x->offset : at;
		uint64_t to = x->offset + x->len < at + len ? x->offset + x->len : at + len;

		if (from < to &&
		    pread(fd, (char *)buf + (from - at), to - from,
		          (off_t)(x->data_offset + (from - x->offset))) != (ssize_t)(to - from))
			return err_set(err, E_CORRUPT, "'%.200s': its layer is cut off", e->name);
	}
	return 0;
}

int merge_same_content(const struct merge *a, const struct merge_entry *x, const struct merge *b,
                       const struct merge_entry *y, struct err *err)
{
	AUTO_FREE char *buf = xmalloc(2 * COMPARE_BYTES);
	uint64_t size = x->inode->size;

	if (size != y->inode->size)
		return 0;
	for (uint64_t at = 0; at < size;) {
		size_t n = size - at < COMPARE_BYTES ? (size_t)(size - at) : COMPARE_BYTES;

		if (read_content(a, x, at, buf, n, err) < 0 ||
		    read_content(b, y, at, buf + COMPARE_BYTES, n, err) < 0)
			return -1;
		if (memcmp(buf, buf + COMPARE_BYTES, n) != 0)
			return 0;
		at += n;
	}
	return 1;
}

/* --- as one layer --- */

/* The name under which an inode of a layer was written first. */
struct written {
	uint64_t key; /* layer and number */
	char *name;
	UT_hash_handle hh;
};

struct writing {
	const struct merge *m;
	struct tar_writer *w;
	struct written *seen;
	struct err *err;
};

static const char *first_name(struct writing *w, const struct merge_entry *e, const char *name)
{
	uint64_t key = (uint64_t)e->layer << 32 | e->inode_number;
	struct written *s;

	HASH_FIND(hh, w->seen, &key, sizeof(key), s);
	if (s)
		return s->name;
	s = xcalloc(1, sizeof(*s));
	s->key = key;
	s->name = xstrdup(name);
	HASH_ADD(hh, w->seen, key, sizeof(s->key), s);
	return NULL;
}

static int write_content(struct writing *w, const struct merge_entry *e)
{
	AUTO_FREE char *buf = xmalloc(COMPARE_BYTES);

	for (uint64_t at = 0; at < e->inode->size;) {
		uint64_t left = e->inode->size - at;
		size_t n = left < COMPARE_BYTES ? (size_t)left : COMPARE_BYTES;

		if (read_content(w->m, e, at, buf, n, w->err) < 0 ||
		    tar_writer_data(w->w, buf, n, w->err) < 0)
			return -1;
		at += n;
	}
	return 0;
}

static int write_entry(struct writing *w, const struct merge_entry *e, const char *name)
{
	const struct tree_inode *in = e->inode;
	size_t n_xattrs = in->xattrs ? in->xattrs->n : 0;
	AUTO_FREE struct tar_xattr *xattrs = xcalloc(n_xattrs + 1, sizeof(*xattrs));
	struct tar_entry t = {
		.type = in->type,
		.name = name,
		.link = in->type == TAR_SYMLINK ? in->link : "",
		.uname = "",
		.gname = "",
		.mode = in->mode,
		.uid = in->uid,
		.gid = in->gid,
		.size = in->type == TAR_FILE ? in->size : 0,
		.mtime_s = in->mtime_s,
		.mtime_ns = in->mtime_ns,
		.xattrs = xattrs,
		.n_xattrs = n_xattrs,
	};
	const char *first = in->type != TAR_DIR && in->nlink > 1 ? first_name(w, e, name) : NULL;

	for (size_t i = 0; i < n_xattrs; i++)
		xattrs[i] =
			(struct tar_xattr){ in->xattrs->items[i].name, in->xattrs->items[i].value,
			                    in->xattrs->items[i].value_len };
	if (in->type == TAR_CHAR || in->type == TAR_BLOCK) {
		t.dev_major = in->dev_major;
		t.dev_minor = in->dev_minor;
	}
	if (first) {
		t.type = TAR_HARDLINK;
		t.link = first;
		t.size = 0;
		t.n_xattrs = 0;
	}
	if (tar_writer_entry(w->w, &t, w->err) < 0)
		return -1;
	return t.type == TAR_FILE ? write_content(w, e) : 0;
}

static int write_children(struct writing *w, const struct merge_entry *dir, const char *prefix)
{
	for (size_t i = 0; i < dir->n_children; i++) {
		const struct merge_entry *e = dir->children[i];
		AUTO_FREE char *name =
			*prefix ? xasprintf("%s/%s", prefix, e->name) : xstrdup(e->name);

		if (write_entry(w, e, name) < 0)
			return -1;
		if (e->inode->type == TAR_DIR && write_children(w, e, name) < 0)
			return -1;
	}
	return 0;
}

int merge_write_tar(const struct merge *m, struct tar_writer *w, struct err *err)
{
	struct writing state = { .m = m, .w = w, .err = err };
	struct written *s, *next;
	int r = write_children(&state, m->root, "");

	HASH_ITER(hh, state.seen, s, next) {
		HASH_DEL(state.seen, s);
		free(s->name);
		free(s);
	}
	return r < 0 ? -1 : tar_writer_finish(w, err);
}
