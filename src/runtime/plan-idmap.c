/* Idmapped mounts: which ids a bind mount shows. */
#include "runtime/plan.h"

#include "base/num.h"
#include "base/xalloc.h"

#define RANGES_MAX 340 /* the kernel's own limit */

/* "1-4-10": from the first id, to this id on the host, so many. */
static int parse_range(const char *text, struct oci_idmap *ret)
{
	AUTO_STRV numbers = STRV_INIT;

	strv_split(&numbers, text, '-');
	if (numbers.len != 3 || parse_u32(numbers.items[0], &ret->container_id) < 0 ||
	    parse_u32(numbers.items[1], &ret->host_id) < 0 ||
	    parse_u32(numbers.items[2], &ret->size) < 0 || ret->size == 0)
		return -1;
	return 0;
}

/* With '@', the second number is an id of the container's. */
static int from_container(struct oci_idmap *m, const struct oci_idmap *map, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint32_t offset = m->host_id - map[i].container_id;

		if (m->host_id >= map[i].container_id && offset < map[i].size &&
		    m->size <= map[i].size - offset) {
			m->host_id = map[i].host_id + offset;
			return 0;
		}
	}
	return -1;
}

/* "0-1-10#10-11-10", crun's way of writing a mapping. */
static int parse_ranges(const char *text, const struct oci_idmap *map, size_t n_map,
                        struct oci_idmap **ret, size_t *ret_count)
{
	AUTO_STRV ranges = STRV_INIT;
	bool relative = *text == '@';

	strv_split(&ranges, text + relative, '#');
	if (ranges.len > RANGES_MAX)
		return -1;
	for (size_t i = 0; i < ranges.len; i++) {
		struct oci_idmap m;

		if (parse_range(ranges.items[i], &m) < 0 ||
		    (relative && from_container(&m, map, n_map) < 0))
			return -1;
		VEC_PUSH(*ret, *ret_count, m);
	}
	return 0;
}

static int parse_option(struct plan_mount *m, const struct oci_linux *l, const char *where,
                        struct err *err)
{
	AUTO_STRV parts = STRV_INIT;

	strv_split(&parts, m->options.idmap, ';');
	for (size_t i = 0; i < parts.len; i++) {
		const char *part = parts.items[i];
		int r = -1;

		if (strncmp(part, "uids=", 5) == 0)
			r = parse_ranges(part + 5, l->uid_mappings, l->n_uid_mappings,
			                 &m->idmap_owned[0], &m->n_uids);
		else if (strncmp(part, "gids=", 5) == 0)
			r = parse_ranges(part + 5, l->gid_mappings, l->n_gid_mappings,
			                 &m->idmap_owned[1], &m->n_gids);
		if (r < 0)
			return err_set(
				err, E_INVALID,
				"%s: option 'idmap=%s' is not as uids=0-1000-10;gids=0-1000-10",
				where, m->options.idmap);
	}
	m->uids = m->idmap_owned[0];
	m->gids = m->idmap_owned[1];
	m->idmap = PLAN_IDMAP_GIVEN;
	return 0;
}

int plan_idmap(struct plan_mount *m, const struct oci_linux *l, const char *where, struct err *err)
{
	const struct oci_mount *spec = m->spec;
	const struct oci_namespace *user = &l->ns[OCI_NS_USER];
	bool given = spec->n_uid_mappings || spec->n_gid_mappings;

	if (!(m->options.flags & MOUNT_IDMAP) && !given)
		return 0;
	if (m->kind != PLAN_MOUNT_BIND)
		return err_set(err, E_INVALID, "%s: only a bind mount can be idmapped", where);
	if (m->options.idmap && parse_option(m, l, where, err) < 0)
		return -1;
	if (given) {
		m->idmap = PLAN_IDMAP_GIVEN;
		m->uids = spec->uid_mappings;
		m->n_uids = spec->n_uid_mappings;
		m->gids = spec->gid_mappings;
		m->n_gids = spec->n_gid_mappings;
	}
	if (m->idmap == PLAN_IDMAP_GIVEN && (!m->n_uids || !m->n_gids))
		return err_set(err, E_INVALID, "%s: uidMappings and gidMappings: both are needed",
		               where);
	if (m->idmap == PLAN_IDMAP_GIVEN)
		return 0;
	if (!user->wanted)
		return err_set(err, E_INVALID,
		               "%s: idmap: there are neither mappings for this mount nor a user "
		               "namespace",
		               where);
	m->idmap = PLAN_IDMAP_USER;
	m->uids = l->uid_mappings;
	m->n_uids = l->n_uid_mappings;
	m->gids = l->gid_mappings;
	m->n_gids = l->n_gid_mappings;
	return 0;
}
