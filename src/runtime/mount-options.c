#include "runtime/mount-options.h"

#include <sys/mount.h>

#define NEVER 0
#define ATIME MOUNT_ATTR__ATIME

#ifndef MS_I_VERSION
#	define MS_I_VERSION (1 << 23)
#endif

/* KIND_DATA: the file system's own, by this name. */
enum kind { KIND_ATTR, KIND_FLAG, KIND_LEGACY, KIND_DATA, KIND_NOTHING };

/* clang-format off */
static const struct {
	const char *name; /* an attribute also has an r-form that covers the tree */
	enum kind kind;
	uint64_t set, clr;
} table[] = {
	{ "ro", KIND_ATTR, MOUNT_ATTR_RDONLY, NEVER },
	{ "rw", KIND_ATTR, 0, MOUNT_ATTR_RDONLY },
	{ "nosuid", KIND_ATTR, MOUNT_ATTR_NOSUID, NEVER },
	{ "suid", KIND_ATTR, 0, MOUNT_ATTR_NOSUID },
	{ "nodev", KIND_ATTR, MOUNT_ATTR_NODEV, NEVER },
	{ "dev", KIND_ATTR, 0, MOUNT_ATTR_NODEV },
	{ "noexec", KIND_ATTR, MOUNT_ATTR_NOEXEC, NEVER },
	{ "exec", KIND_ATTR, 0, MOUNT_ATTR_NOEXEC },
	{ "noatime", KIND_ATTR, MOUNT_ATTR_NOATIME, ATIME },
	{ "atime", KIND_ATTR, MOUNT_ATTR_RELATIME, ATIME },
	{ "relatime", KIND_ATTR, MOUNT_ATTR_RELATIME, ATIME },
	{ "norelatime", KIND_ATTR, MOUNT_ATTR_STRICTATIME, ATIME },
	{ "strictatime", KIND_ATTR, MOUNT_ATTR_STRICTATIME, ATIME },
	{ "nostrictatime", KIND_ATTR, MOUNT_ATTR_RELATIME, ATIME },
	{ "nodiratime", KIND_ATTR, MOUNT_ATTR_NODIRATIME, NEVER },
	{ "diratime", KIND_ATTR, 0, MOUNT_ATTR_NODIRATIME },
	{ "nosymfollow", KIND_ATTR, MOUNT_ATTR_NOSYMFOLLOW, NEVER },
	{ "symfollow", KIND_ATTR, 0, MOUNT_ATTR_NOSYMFOLLOW },
	{ "bind", KIND_FLAG, MOUNT_BIND, NEVER },
	{ "rbind", KIND_FLAG, MOUNT_BIND | MOUNT_RECURSIVE, NEVER },
	{ "tmpcopyup", KIND_FLAG, MOUNT_COPY_UP, NEVER },
	{ "idmap", KIND_FLAG, MOUNT_IDMAP, NEVER },
	{ "ridmap", KIND_FLAG, MOUNT_IDMAP | MOUNT_IDMAP_RECURSIVE, NEVER },
	{ "src-nofollow", KIND_FLAG, MOUNT_SOURCE_NOFOLLOW, NEVER },
	{ "dest-nofollow", KIND_FLAG, MOUNT_TARGET_NOFOLLOW, NEVER },
	{ "copy-symlink", KIND_FLAG, MOUNT_COPY_SYMLINK, NEVER },
	{ "remount", KIND_FLAG, MOUNT_REMOUNT, NEVER },
	{ "iversion", KIND_LEGACY, MS_I_VERSION, NEVER },
	{ "silent", KIND_LEGACY, MS_SILENT, NEVER },
	{ "sync", KIND_DATA, 0, 0 },
	{ "dirsync", KIND_DATA, 0, 0 },
	{ "lazytime", KIND_DATA, 0, 0 },
	{ "mand", KIND_DATA, 0, 0 },
	{ "defaults", KIND_NOTHING, 0, 0 },
	{ "async", KIND_NOTHING, 0, 0 },
	{ "loud", KIND_NOTHING, 0, 0 },
	{ "nolazytime", KIND_NOTHING, 0, 0 },
	{ "nomand", KIND_NOTHING, 0, 0 },
	{ "noiversion", KIND_NOTHING, 0, 0 },
};

static const struct {
	const char *name;
	unsigned long type;
} propagations[] = {
	{ "shared", MS_SHARED }, { "slave", MS_SLAVE }, { "private", MS_PRIVATE },
	{ "unbindable", MS_UNBINDABLE },
};
/* clang-format on */

bool mount_propagation_parse(const char *word, unsigned long *ret, bool *ret_recursive)
{
	bool recursive = word[0] == 'r';

	for (size_t i = 0; i < ARRAY_LEN(propagations); i++) {
		if (strcmp(word + recursive, propagations[i].name) == 0) {
			*ret = propagations[i].type;
			*ret_recursive = recursive;
			return true;
		}
	}
	return false;
}

static void apply_attr(uint64_t *set, uint64_t *clr, uint64_t new_set, uint64_t new_clr)
{
	/* The last word counts: what is set is no longer cleared, and the other way round. */
	*set = (*set & ~new_clr) | new_set;
	*clr = (*clr & ~(new_set & ~(uint64_t)ATIME)) | new_clr;
}

static bool apply_word(struct mount_options *o, const char *word)
{
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		const char *name = table[i].name;

		if (strcmp(word, name) == 0) {
			if (table[i].kind == KIND_ATTR)
				apply_attr(&o->attr_set, &o->attr_clr, table[i].set, table[i].clr);
			else if (table[i].kind == KIND_FLAG)
				o->flags |= (unsigned)table[i].set;
			else if (table[i].kind == KIND_LEGACY)
				o->legacy |= table[i].set;
			return table[i].kind != KIND_DATA;
		}
		if (table[i].kind == KIND_ATTR && word[0] == 'r' && strcmp(word + 1, name) == 0) {
			apply_attr(&o->tree_set, &o->tree_clr, table[i].set, table[i].clr);
			return true;
		}
	}
	if (strncmp(word, "idmap=", 6) == 0 || strncmp(word, "ridmap=", 7) == 0) {
		o->flags |= MOUNT_IDMAP | (word[0] == 'r' ? MOUNT_IDMAP_RECURSIVE : 0);
		o->idmap = strchr(word, '=') + 1;
		return true;
	}
	return mount_propagation_parse(word, &o->propagation, &o->propagation_recursive);
}

void mount_options_parse(const struct strv *options, struct mount_options *ret)
{
	*ret = (struct mount_options){ 0 };
	for (size_t i = 0; i < options->len; i++) {
		const char *word = options->items[i];

		if (*word && !apply_word(ret, word))
			strv_add(&ret->data, word);
	}
}

void mount_options_done(struct mount_options *o)
{
	strv_done(&o->data);
	*o = (struct mount_options){ 0 };
}

void mount_options_list(struct strv *ret)
{
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		strv_add(ret, table[i].name);
		if (table[i].kind == KIND_ATTR)
			strv_addf(ret, "r%s", table[i].name);
	}
	for (size_t i = 0; i < ARRAY_LEN(propagations); i++) {
		strv_add(ret, propagations[i].name);
		strv_addf(ret, "r%s", propagations[i].name);
	}
}
