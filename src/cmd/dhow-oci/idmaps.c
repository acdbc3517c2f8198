/* Ids of a user namespace that the configuration does not map: the process's user is the caller, as
 * with crun, and the rest of /etc/subuid and /etc/subgid comes around it. */
#include "oci.h"

#include <fcntl.h>

#include "base/fd.h"
#include "base/num.h"
#include "base/xalloc.h"

#define FILE_MAX (1u << 20)

/* The first line "KEY:..." of a colon-separated file whose field `index` is value. */
static bool find_line(const char *path, size_t index, const char *value, struct strv *ret)
{
	AUTO_FREE char *text = NULL;
	size_t len = 0;

	if (file_read_at(AT_FDCWD, path, FILE_MAX, &text, &len, ERR_IGNORE) < 0)
		return false;
	for (char *line = text, *next; line && *line; line = next) {
		AUTO_STRV fields = STRV_INIT;

		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		strv_split(&fields, line, ':');
		if (fields.len < 3 || strcmp(fields.items[index], value) != 0)
			continue;
		strv_add_all(ret, fields.items);
		return true;
	}
	return false;
}

static bool find_range(const char *path, uint32_t *ret_from, uint32_t *ret_count)
{
	AUTO_STRV user = STRV_INIT, range = STRV_INIT;
	char uid[16];

	snprintf(uid, sizeof(uid), "%u", geteuid());
	if (!find_line(path, 0, uid, &range) && (!find_line("/etc/passwd", 2, uid, &user) ||
	                                         !find_line(path, 0, user.items[0], &range)))
		return false;
	return parse_u32(range.items[1], ret_from) == 0 &&
	       parse_u32(range.items[2], ret_count) == 0 && *ret_count > 0;
}

static void add_maps(struct oci_idmap **maps, size_t *n, uint32_t inside, uint32_t own,
                     const char *path)
{
	uint32_t from = 0, count = 0, below;

	if (!find_range(path, &from, &count))
		count = 0;
	below = inside < count ? inside : count;
	if (below)
		VEC_PUSH(*maps, *n, (struct oci_idmap){ 0, from, below });
	VEC_PUSH(*maps, *n, (struct oci_idmap){ inside, own, 1 });
	if (count > below)
		VEC_PUSH(*maps, *n, (struct oci_idmap){ inside + 1, from + below, count - below });
}

void oci_default_idmaps(struct oci_spec *spec)
{
	struct oci_linux *l = &spec->linux_;

	if (!l->ns[OCI_NS_USER].wanted || l->ns[OCI_NS_USER].path || l->n_uid_mappings ||
	    l->n_gid_mappings)
		return;
	add_maps(&l->uid_mappings, &l->n_uid_mappings, spec->process.user.uid, geteuid(),
	         "/etc/subuid");
	add_maps(&l->gid_mappings, &l->n_gid_mappings, spec->process.user.gid, getegid(),
	         "/etc/subgid");
}
