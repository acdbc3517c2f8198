#include "codec/tree.h"

#include <string.h>

#include "base/table.h"
#include "base/xalloc.h"
#include "codec/tar-internal.h"
#include "codec/whiteout.h"

#define ARENA_CHUNK_BYTES ((size_t)256 << 10)
#define MAX_NODES_DEFAULT 4000000u
#define MAX_BYTES_DEFAULT ((size_t)512 << 20)
#define SYMLINKS_MAX      40 /* followed while one parent is looked up, as in the kernel */

struct arena_chunk {
	struct arena_chunk *next;
	size_t used, cap;
	_Alignas(16) char bytes[];
};

struct tree {
	struct tree_node *nodes;
	size_t n_nodes;
	struct tree_inode *inodes;
	size_t n_inodes;
	uint32_t *slots; /* open addressing over (parent, name); TREE_NONE: empty */
	size_t n_slots;  /* a power of two */
	uint32_t *order; /* children, grouped by parent and sorted; after tree_freeze */
	struct arena_chunk *arena;
	size_t arena_bytes;
	struct tree_limits limits;
	/* the last parent looked up: archives list a directory's files together */
	char last_dir[TAR_NAME_MAX + 1];
	uint32_t last_node;
};

static void *arena_alloc(struct tree *t, size_t size)
{
	struct arena_chunk *c = t->arena;
	void *p;

	size = (size + 7) & ~(size_t)7;
	if (!c || c->cap - c->used < size) {
		size_t cap = size > ARENA_CHUNK_BYTES ? size : ARENA_CHUNK_BYTES;

		c = xmalloc(sizeof(*c) + cap);
		c->next = t->arena;
		c->used = 0;
		c->cap = cap;
		t->arena = c;
		t->arena_bytes += cap;
	}
	p = c->bytes + c->used;
	c->used += size;
	return p;
}

static char *arena_text(struct tree *t, const char *s, size_t len)
{
	char *copy = arena_alloc(t, len + 1);

	memcpy(copy, s, len);
	copy[len] = '\0';
	return copy;
}

static uint32_t hash_of(uint32_t parent, const char *name, size_t len)
{
	char key[4 + 255];

	/* one part of a name has at most 255 bytes: the reader saw to it */
	memcpy(key, &parent, 4);
	memcpy(key + 4, name, len);
	return (uint32_t)table_hash(key, 4 + len);
}

static uint32_t child_find(const struct tree *t, uint32_t parent, const char *name, size_t len)
{
	uint32_t hash = hash_of(parent, name, len);

	for (size_t i = hash & (t->n_slots - 1); t->slots[i] != TREE_NONE;
	     i = (i + 1) & (t->n_slots - 1)) {
		const struct tree_node *n = &t->nodes[t->slots[i]];

		if (n->hash == hash && n->parent == parent && !n->is_removed &&
		    !strncmp(n->name, name, len) && !n->name[len])
			return t->slots[i];
	}
	return TREE_NONE;
}

static void slot_add(struct tree *t, uint32_t node)
{
	size_t i = t->nodes[node].hash & (t->n_slots - 1);

	while (t->slots[i] != TREE_NONE)
		i = (i + 1) & (t->n_slots - 1);
	t->slots[i] = node;
}

static void grow_slots(struct tree *t)
{
	size_t count = t->n_slots ? t->n_slots * 2 : 1024;

	free(t->slots);
	t->slots = xreallocarray(NULL, count, sizeof(*t->slots));
	memset(t->slots, 0xff, count * sizeof(*t->slots));
	t->n_slots = count;
	for (uint32_t n = 1; n < t->n_nodes; n++)
		if (!t->nodes[n].is_removed)
			slot_add(t, n);
}

static uint32_t inode_add(struct tree *t, struct tree_inode inode)
{
	VEC_PUSH(t->inodes, t->n_inodes, inode);
	return (uint32_t)t->n_inodes - 1;
}

static uint32_t node_add(struct tree *t, uint32_t parent, const char *name, size_t len,
                         uint32_t inode)
{
	struct tree_node n = {
		.name = arena_text(t, name, len),
		.parent = parent,
		.inode = inode,
		.hash = hash_of(parent, name, len),
	};

	VEC_PUSH(t->nodes, t->n_nodes, n);
	if (t->n_nodes * 2 > t->n_slots)
		grow_slots(t);
	else
		slot_add(t, (uint32_t)t->n_nodes - 1);
	return (uint32_t)t->n_nodes - 1;
}

/* What was below a removed directory is never reached again: its nodes name it as parent. */
static void node_remove(struct tree *t, uint32_t node)
{
	t->nodes[node].is_removed = true;
	t->last_node = TREE_NONE;
}

static struct tree_inode implied_dir(int64_t mtime_s)
{
	return (struct tree_inode){
		.type = TAR_DIR,
		.flags = TREE_IMPLIED,
		.mode = 0755,
		.mtime_s = mtime_s,
	};
}

struct tree *tree_new(void)
{
	return tree_new_limited(&(struct tree_limits){ 0 });
}

struct tree *tree_new_limited(const struct tree_limits *limits)
{
	struct tree *t = xcalloc(1, sizeof(*t));

	t->limits = *limits;
	if (!t->limits.max_nodes)
		t->limits.max_nodes = MAX_NODES_DEFAULT;
	if (!t->limits.max_bytes)
		t->limits.max_bytes = MAX_BYTES_DEFAULT;
	grow_slots(t);
	inode_add(t, implied_dir(0));
	VEC_PUSH(t->nodes, t->n_nodes, (struct tree_node){ .name = "", .parent = TREE_ROOT });
	t->last_node = TREE_NONE;
	return t;
}

void tree_free(struct tree *t)
{
	if (!t)
		return;
	while (t->arena) {
		struct arena_chunk *next = t->arena->next;

		free(t->arena);
		t->arena = next;
	}
	free(t->nodes);
	free(t->inodes);
	free(t->slots);
	free(t->order);
	free(t);
}

/* A walk down one path that follows symbolic links inside the tree. */
struct walk {
	struct tree *t;
	uint32_t at;
	int links; /* followed so far */
	bool make; /* missing directories */
	int64_t mtime_s;
};

static int walk_path(struct walk *w, const char *path, struct err *err);

static int walk_step(struct walk *w, const char *part, size_t len, struct err *err)
{
	struct tree *t = w->t;
	uint32_t node;
	const struct tree_inode *in;

	if (!len || (len == 1 && part[0] == '.'))
		return 0;
	if (len == 2 && part[0] == '.' && part[1] == '.') {
		w->at = t->nodes[w->at].parent; /* the root's parent is the root */
		return 0;
	}
	if (len > 255)
		return err_set(err, E_INVALID, "a link with a part of more than 255 bytes");
	node = child_find(t, w->at, part, len);
	if (node != TREE_NONE && t->inodes[t->nodes[node].inode].flags & TREE_WHITEOUT) {
		/* deleted below, and now a new directory: nothing of the old may show */
		if (!w->make)
			return err_set(err, E_INVALID, "'%.*s' does not exist", (int)len, part);
		node_remove(t, node);
		node = node_add(t, w->at, part, len, inode_add(t, implied_dir(w->mtime_s)));
		t->inodes[t->nodes[node].inode].flags |= TREE_OPAQUE;
	}
	if (node == TREE_NONE) {
		if (!w->make)
			return err_set(err, E_INVALID, "'%.*s' does not exist", (int)len, part);
		node = node_add(t, w->at, part, len, inode_add(t, implied_dir(w->mtime_s)));
	}
	in = &t->inodes[t->nodes[node].inode];
	if (in->type == TAR_SYMLINK) {
		if (++w->links > SYMLINKS_MAX)
			return err_set(err, E_INVALID, "too many symbolic links in its parent");
		if (in->link[0] == '/')
			w->at = TREE_ROOT;
		return walk_path(w, in->link, err);
	}
	if (in->type != TAR_DIR)
		return err_set(err, E_INVALID, "its parent '%s' is not a directory",
		               tar_show(t->nodes[node].name).s);
	w->at = node;
	return 0;
}

static int walk_path(struct walk *w, const char *path, struct err *err)
{
	while (*path) {
		size_t len = strcspn(path, "/");

		if (walk_step(w, path, len, err) < 0)
			return -1;
		path += len;
		while (*path == '/')
			path++;
	}
	return 0;
}

/* The directory that holds `name`; made when missing if `make`. */
static int find_parent(struct tree *t, const char *name, bool make, int64_t mtime_s, uint32_t *ret,
                       struct err *err)
{
	const char *slash = strrchr(name, '/');
	struct walk w = { .t = t, .at = TREE_ROOT, .make = make, .mtime_s = mtime_s };
	size_t len = slash ? (size_t)(slash - name) : 0;
	char dir[TAR_NAME_MAX + 1];

	if (t->last_node != TREE_NONE && strlen(t->last_dir) == len &&
	    !memcmp(t->last_dir, name, len)) {
		*ret = t->last_node;
		return 0;
	}
	memcpy(dir, name, len);
	dir[len] = '\0';
	if (walk_path(&w, dir, err) < 0)
		return -1;
	memcpy(t->last_dir, dir, len + 1);
	t->last_node = w.at;
	*ret = w.at;
	return 0;
}

static const char *last_part(const char *name)
{
	const char *slash = strrchr(name, '/');

	return slash ? slash + 1 : name;
}

static const struct tree_xattrs *copy_xattrs(struct tree *t, const struct tar_entry *e)
{
	struct tree_xattrs *x;
	size_t n = 0;

	for (size_t i = 0; i < e->n_xattrs; i++)
		n += xattr_is_allowed(e->xattrs[i].name);
	if (!n)
		return NULL;
	x = arena_alloc(t, sizeof(*x) + n * sizeof(x->items[0]));
	x->n = 0;
	for (size_t i = 0; i < e->n_xattrs; i++) {
		const struct tar_xattr *from = &e->xattrs[i];
		struct tree_xattr *to = &x->items[x->n];
		void *value;

		if (!xattr_is_allowed(from->name))
			continue;
		to->name_len = (uint16_t)strlen(from->name);
		to->name = arena_text(t, from->name, to->name_len);
		value = arena_alloc(t, from->len ? from->len : 1);
		memcpy(value, from->value, from->len);
		to->value = value;
		to->value_len = (uint32_t)from->len;
		x->n++;
	}
	return x;
}

static struct tree_inode make_inode(struct tree *t, const struct tar_entry *e)
{
	struct tree_inode in = {
		.type = (uint8_t)e->type,
		.mode = (uint16_t)e->mode,
		.uid = e->uid,
		.gid = e->gid,
		.mtime_s = e->mtime_s,
		.mtime_ns = e->mtime_ns,
		.xattrs = copy_xattrs(t, e),
	};

	switch (e->type) {
	case TAR_FILE:
		in.size = e->size;
		if (e->is_sparse) {
			struct tree_extents *x =
				arena_alloc(t, sizeof(*x) + e->n_extents * sizeof(x->items[0]));

			x->n = e->n_extents;
			if (x->n)
				memcpy(x->items, e->extents, x->n * sizeof(x->items[0]));
			in.flags |= TREE_SPARSE;
			in.extents = x;
		} else {
			in.data_offset = e->data_offset;
		}
		break;
	case TAR_SYMLINK:
		in.size = strlen(e->link);
		in.link = arena_text(t, e->link, in.size);
		break;
	case TAR_CHAR:
	case TAR_BLOCK:
		in.dev_major = e->dev_major;
		in.dev_minor = e->dev_minor;
		break;
	case TAR_HARDLINK:
	case TAR_DIR:
	case TAR_FIFO:
	case TAR_TYPE_MAX:
		break;
	}
	return in;
}

/* Put an inode at parent/name, over what may be there. */
static void place(struct tree *t, uint32_t parent, const char *name, uint32_t inode)
{
	size_t len = strlen(name);
	uint32_t old = child_find(t, parent, name, len);

	if (old != TREE_NONE) {
		struct tree_inode *was = &t->inodes[t->nodes[old].inode];
		struct tree_inode *is = &t->inodes[inode];

		if (was->type == TAR_DIR && is->type == TAR_DIR) {
			is->flags |= was->flags & TREE_OPAQUE;
			t->nodes[old].inode = inode;
			return;
		}
		/* what the whiteout hides must not show through the new directory */
		if (was->flags & TREE_WHITEOUT && is->type == TAR_DIR)
			is->flags |= TREE_OPAQUE;
		node_remove(t, old);
	}
	node_add(t, parent, name, len, inode);
}

static int add_hardlink(struct tree *t, uint32_t parent, const struct tar_entry *e, struct err *err)
{
	uint32_t dir, target, keep = t->last_node;
	char keep_dir[TAR_NAME_MAX + 1];

	memcpy(keep_dir, t->last_dir, strlen(t->last_dir) + 1);
	if (find_parent(t, e->link, false, 0, &dir, err) < 0)
		return err_set(err, E_INVALID, "hard link to '%s', which is not in the layer",
		               tar_show(e->link).s);
	target = child_find(t, dir, last_part(e->link), strlen(last_part(e->link)));
	t->last_node = keep;
	memcpy(t->last_dir, keep_dir, strlen(keep_dir) + 1);
	if (target == TREE_NONE || t->inodes[t->nodes[target].inode].flags & TREE_WHITEOUT)
		return err_set(err, E_INVALID, "hard link to '%s', which is not in the layer",
		               tar_show(e->link).s);
	if (t->inodes[t->nodes[target].inode].type == TAR_DIR)
		return err_set(err, E_INVALID, "hard link to the directory '%s'",
		               tar_show(e->link).s);
	if (target == child_find(t, parent, last_part(e->name), strlen(last_part(e->name))))
		return err_set(err, E_INVALID, "hard link to itself");
	place(t, parent, last_part(e->name), t->nodes[target].inode);
	return 0;
}

static void add_whiteout(struct tree *t, uint32_t parent, const char *base, int64_t mtime_s)
{
	uint32_t old = child_find(t, parent, base, strlen(base));

	/* it speaks of lower layers; what this layer has under the name stays */
	if (old == TREE_NONE)
		node_add(t, parent, base, strlen(base),
		         inode_add(t, (struct tree_inode){ .type = TAR_CHAR,
		                                           .flags = TREE_WHITEOUT,
		                                           .mtime_s = mtime_s }));
	else if (t->inodes[t->nodes[old].inode].type == TAR_DIR)
		t->inodes[t->nodes[old].inode].flags |= TREE_OPAQUE;
}

static int add(struct tree *t, const struct tar_entry *e, struct err *err)
{
	const char *base;
	enum whiteout whiteout = whiteout_classify(e->name, &base);
	uint32_t parent;

	if (!*e->name) {
		struct tree_inode root = make_inode(t, e);

		root.flags |= t->inodes[TREE_ROOT].flags & TREE_OPAQUE;
		t->inodes[TREE_ROOT] = root;
		return 0;
	}
	if (whiteout == WHITEOUT_INVALID)
		return err_set(err, E_INVALID, "a whiteout of the directory itself");
	if (whiteout == WHITEOUT_DROP)
		return 0;
	if (find_parent(t, e->name, true, e->mtime_s, &parent, err) < 0)
		return -1;
	if (whiteout == WHITEOUT_OPAQUE)
		t->inodes[t->nodes[parent].inode].flags |= TREE_OPAQUE;
	else if (whiteout == WHITEOUT_FILE)
		add_whiteout(t, parent, base, e->mtime_s);
	else if (e->type == TAR_HARDLINK)
		return add_hardlink(t, parent, e, err);
	else
		place(t, parent, base, inode_add(t, make_inode(t, e)));
	return 0;
}

int tree_add(struct tree *t, const struct tar_entry *e, struct err *err)
{
	if (add(t, e, err) < 0)
		return err_ctx(err, "entry '%s'", tar_show(e->name).s);
	/* one entry adds no more than its own length in parents, so looking afterwards will do */
	if (t->n_nodes > t->limits.max_nodes || t->n_inodes > t->limits.max_nodes)
		return err_set(err, E_LIMIT, "entry '%s': more than %u files and directories",
		               tar_show(e->name).s, t->limits.max_nodes);
	if (t->arena_bytes > t->limits.max_bytes)
		return err_set(err, E_LIMIT,
		               "entry '%s': more than %zu bytes of names and attributes",
		               tar_show(e->name).s, t->limits.max_bytes);
	return 0;
}

static int by_name(const void *a, const void *b, void *nodes_)
{
	const struct tree_node *nodes = nodes_;

	return strcmp(nodes[*(const uint32_t *)a].name, nodes[*(const uint32_t *)b].name);
}

/* Count links of what can be reached from the root, without recursion. */
static void count_links(struct tree *t)
{
	uint32_t *stack = NULL;
	size_t depth = 0;

	t->inodes[TREE_ROOT].nlink = 2;
	VEC_PUSH(stack, depth, TREE_ROOT);
	while (depth) {
		const struct tree_node *dir = &t->nodes[stack[--depth]];

		for (uint32_t i = 0; i < dir->n_children; i++) {
			uint32_t child = t->order[dir->children + i];
			struct tree_inode *in = &t->inodes[t->nodes[child].inode];

			if (in->type != TAR_DIR) {
				in->nlink++;
				continue;
			}
			in->nlink = 2;
			t->inodes[dir->inode].nlink++;
			VEC_PUSH(stack, depth, child);
		}
	}
	free(stack);
}

void tree_freeze(struct tree *t)
{
	uint32_t at = 0;

	for (uint32_t n = 1; n < t->n_nodes; n++)
		if (!t->nodes[n].is_removed)
			t->nodes[t->nodes[n].parent].n_children++;
	for (uint32_t n = 0; n < t->n_nodes; n++) {
		t->nodes[n].children = at;
		at += t->nodes[n].n_children;
		t->nodes[n].n_children = 0;
	}
	t->order = xreallocarray(NULL, at ? at : 1, sizeof(*t->order));
	for (uint32_t n = 1; n < t->n_nodes; n++) {
		struct tree_node *parent = &t->nodes[t->nodes[n].parent];

		if (!t->nodes[n].is_removed)
			t->order[parent->children + parent->n_children++] = n;
	}
	for (uint32_t n = 0; n < t->n_nodes; n++)
		if (t->nodes[n].n_children > 1)
			qsort_r(t->order + t->nodes[n].children, t->nodes[n].n_children,
			        sizeof(*t->order), by_name, t->nodes);
	free(t->slots);
	t->slots = NULL;
	count_links(t);
}

const struct tree_node *tree_node(const struct tree *t, uint32_t node)
{
	return &t->nodes[node];
}

struct tree_inode *tree_inode(struct tree *t, uint32_t inode)
{
	return &t->inodes[inode];
}

const uint32_t *tree_children(const struct tree *t, uint32_t node, size_t *ret_count)
{
	*ret_count = t->nodes[node].n_children;
	return t->order + t->nodes[node].children;
}

uint32_t tree_inode_count(const struct tree *t)
{
	return (uint32_t)t->n_inodes;
}

static int compare_child(const struct tree *t, uint32_t child, const char *name, size_t len)
{
	int c = strncmp(t->nodes[child].name, name, len);

	return c ? c : t->nodes[child].name[len] != '\0';
}

uint32_t tree_find(const struct tree *t, const char *path)
{
	uint32_t at = TREE_ROOT;

	while (*path) {
		size_t len = strcspn(path, "/"), lo = 0, hi;
		const uint32_t *children = tree_children(t, at, &hi);
		uint32_t found = TREE_NONE;

		while (lo < hi && found == TREE_NONE) {
			size_t mid = lo + (hi - lo) / 2;
			int c = compare_child(t, children[mid], path, len);

			if (c == 0)
				found = children[mid];
			else if (c < 0)
				lo = mid + 1;
			else
				hi = mid;
		}
		if (found == TREE_NONE)
			return TREE_NONE;
		at = found;
		path += len + (path[len] == '/');
	}
	return at;
}
