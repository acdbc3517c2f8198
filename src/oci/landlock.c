#include "oci/landlock.h"

#include "base/xalloc.h"
#include "oci/spec-internal.h"

/* Bit n of each kind has the name n (linux/landlock.h). */
static const char *const fs_names[] = {
	"LANDLOCK_ACCESS_FS_EXECUTE",    "LANDLOCK_ACCESS_FS_WRITE_FILE",
	"LANDLOCK_ACCESS_FS_READ_FILE",  "LANDLOCK_ACCESS_FS_READ_DIR",
	"LANDLOCK_ACCESS_FS_REMOVE_DIR", "LANDLOCK_ACCESS_FS_REMOVE_FILE",
	"LANDLOCK_ACCESS_FS_MAKE_CHAR",  "LANDLOCK_ACCESS_FS_MAKE_DIR",
	"LANDLOCK_ACCESS_FS_MAKE_REG",   "LANDLOCK_ACCESS_FS_MAKE_SOCK",
	"LANDLOCK_ACCESS_FS_MAKE_FIFO",  "LANDLOCK_ACCESS_FS_MAKE_BLOCK",
	"LANDLOCK_ACCESS_FS_MAKE_SYM",   "LANDLOCK_ACCESS_FS_REFER",
	"LANDLOCK_ACCESS_FS_TRUNCATE",   "LANDLOCK_ACCESS_FS_IOCTL_DEV",
};
static const char *const net_names[] = {
	"LANDLOCK_ACCESS_NET_BIND_TCP",
	"LANDLOCK_ACCESS_NET_CONNECT_TCP",
};
static const char *const scope_names[] = {
	"LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET",
	"LANDLOCK_SCOPE_SIGNAL",
};
static const char *const restrict_names[] = {
	"LANDLOCK_RESTRICT_SELF_LOG_SAME_EXEC_OFF",
	"LANDLOCK_RESTRICT_SELF_LOG_NEW_EXEC_ON",
	"LANDLOCK_RESTRICT_SELF_LOG_SUBDOMAINS_OFF",
};

static const struct {
	const char *const *names;
	unsigned count;
} kinds[OCI_LANDLOCK_KIND_MAX] = {
	[OCI_LANDLOCK_FS] = { fs_names, ARRAY_LEN(fs_names) },
	[OCI_LANDLOCK_NET] = { net_names, ARRAY_LEN(net_names) },
	[OCI_LANDLOCK_SCOPE] = { scope_names, ARRAY_LEN(scope_names) },
	[OCI_LANDLOCK_RESTRICT] = { restrict_names, ARRAY_LEN(restrict_names) },
};

void oci_landlock_names(enum oci_landlock_kind kind, uint64_t bits, struct strv *ret)
{
	for (unsigned i = 0; i < kinds[kind].count; i++) {
		if (bits >> i & 1)
			strv_add(ret, kinds[kind].names[i]);
		bits &= ~(1ull << i);
	}
	if (bits)
		strv_addf(ret, "0x%llx", (unsigned long long)bits);
}

uint64_t oci_landlock_known(enum oci_landlock_kind kind)
{
	return (1ull << kinds[kind].count) - 1;
}

void oci_landlock_done(struct oci_landlock *l)
{
	for (size_t i = 0; i < l->n_paths; i++)
		strv_done(&l->paths[i].paths);
	free(l->paths);
	for (size_t i = 0; i < l->n_ports; i++)
		free(l->ports[i].ports);
	free(l->ports);
	*l = (struct oci_landlock){ 0 };
}

/* One right: a name or a number of one or more bits. */
static int parse_right(const struct json *item, enum oci_landlock_kind kind, uint64_t *bits,
                       struct err *err)
{
	if (json_object_is_type(item->obj, json_type_int)) {
		if (json_object_get_int64(item->obj) <= 0)
			return json_error(err, item, "is not a number of bits above 0");
		*bits |= (uint64_t)json_object_get_int64(item->obj);
		return 0;
	}
	if (json_expect(item, json_type_string, err) < 0)
		return -1;
	for (unsigned i = 0; i < kinds[kind].count; i++) {
		if (strcmp(json_object_get_string(item->obj), kinds[kind].names[i]) == 0) {
			*bits |= 1ull << i;
			return 0;
		}
	}
	json_error(err, item, "'%s' is not a name like %s", json_object_get_string(item->obj),
	           kinds[kind].names[0]);
	return err_hint(err, "a right newer than this program can be given as its number");
}

static int parse_rights(const struct json *at, const char *key, enum oci_landlock_kind kind,
                        uint64_t *ret, struct err *err)
{
	struct json list;
	size_t n;

	*ret = 0;
	if (spec_open_list(at, key, &list, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		struct json item = json_item(&list, i);

		if (parse_right(&item, kind, ret, err) < 0)
			return -1;
	}
	return 0;
}

/* The kernel refuses a rule that allows what the ruleset does not handle, without saying which. */
static int parse_allowed(const struct json *rule, enum oci_landlock_kind kind, uint64_t handled,
                         uint64_t *ret, struct err *err)
{
	AUTO_STRV names = STRV_INIT;
	struct json unused;

	if (json_require(rule, "allowedAccess", &unused, err) < 0 ||
	    parse_rights(rule, "allowedAccess", kind, ret, err) < 0)
		return -1;
	oci_landlock_names(kind, *ret & ~handled, &names);
	return names.len ? json_error(err, rule, "allows %s, which the ruleset does not handle",
	                              names.items[0])
	                 : 0;
}

static int parse_path_rule(const struct json *item, struct oci_landlock *l, struct err *err)
{
	struct oci_landlock_path *p;
	struct json unused;

	VEC_PUSH(l->paths, l->n_paths, (struct oci_landlock_path){ 0 });
	p = &l->paths[l->n_paths - 1];
	if (json_expect(item, json_type_object, err) < 0 ||
	    json_require(item, "paths", &unused, err) < 0 ||
	    json_get_strv(item, "paths", &p->paths, err) < 0 ||
	    json_get_bool(item, "ignoreMissing", &p->ignore_missing, err) < 0 ||
	    parse_allowed(item, OCI_LANDLOCK_FS, l->fs, &p->access, err) < 0)
		return -1;
	for (size_t i = 0; i < p->paths.len; i++)
		if (p->paths.items[i][0] != '/')
			return json_error(err, item, "path '%s' is not absolute",
			                  p->paths.items[i]);
	return 0;
}

static int parse_port_rule(const struct json *item, struct oci_landlock *l, struct err *err)
{
	struct oci_landlock_port *p;
	struct json list;
	size_t n;

	VEC_PUSH(l->ports, l->n_ports, (struct oci_landlock_port){ 0 });
	p = &l->ports[l->n_ports - 1];
	if (json_expect(item, json_type_object, err) < 0 ||
	    json_require(item, "ports", &list, err) < 0 ||
	    spec_open_list(item, "ports", &list, &n, err) < 0 ||
	    parse_allowed(item, OCI_LANDLOCK_NET, l->net, &p->access, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		struct json port = json_item(&list, i);
		int64_t number;

		if (json_expect(&port, json_type_int, err) < 0)
			return -1;
		number = json_object_get_int64(port.obj);
		if (number < 0 || number > UINT16_MAX)
			return json_error(err, &port, "is not a port number");
		VEC_PUSH(p->ports, p->n_ports, (uint16_t)number);
	}
	return 0;
}

static int parse_rules(const struct json *at, const char *key, struct oci_landlock *l,
                       int (*parse)(const struct json *, struct oci_landlock *, struct err *),
                       struct err *err)
{
	struct json list;
	size_t n;

	if (spec_open_list(at, key, &list, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		struct json item = json_item(&list, i);

		if (parse(&item, l, err) < 0)
			return -1;
	}
	return 0;
}

int spec_parse_landlock(const struct json *at, struct oci_landlock *l, struct err *err)
{
	struct json ruleset, rules;
	uint64_t flags = 0;
	bool present = false;

	l->present = true;
	if (json_expect(at, json_type_object, err) < 0 ||
	    json_require(at, "ruleset", &ruleset, err) < 0 ||
	    json_expect(&ruleset, json_type_object, err) < 0 ||
	    parse_rights(&ruleset, "handledAccessFS", OCI_LANDLOCK_FS, &l->fs, err) < 0 ||
	    parse_rights(&ruleset, "handledAccessNet", OCI_LANDLOCK_NET, &l->net, err) < 0 ||
	    parse_rights(&ruleset, "scoped", OCI_LANDLOCK_SCOPE, &l->scoped, err) < 0 ||
	    parse_rights(at, "restrictFlags", OCI_LANDLOCK_RESTRICT, &flags, err) < 0 ||
	    json_get_bool(at, "disableBestEffort", &l->required, err) < 0)
		return -1;
	l->restrict_flags = (uint32_t)flags;
	if (!l->fs && !l->net && !l->scoped)
		return json_error(err, &ruleset,
		                  "handles nothing: give handledAccessFS, "
		                  "handledAccessNet or scoped");
	if (json_get_object(at, "rules", &rules, &present, err) < 0)
		return -1;
	if (!present)
		return 0;
	if (parse_rules(&rules, "pathBeneath", l, parse_path_rule, err) < 0)
		return -1;
	return parse_rules(&rules, "netPort", l, parse_port_rule, err);
}

int spec_parse_landlock_annotation(const char *text, struct oci_landlock *l, struct err *err)
{
	static const char what[] = "annotation " OCI_LANDLOCK_ANNOTATION;
	AUTO_JSON *obj = NULL;
	struct json root;

	if (l->present)
		return err_set(err, E_INVALID, "%s: linux.landlock is given, too", what);
	if (json_parse(what, text, strlen(text), &obj, err) < 0)
		return -1;
	root = json_root(obj, what);
	l->from_annotation = true;
	return spec_parse_landlock(&root, l, err);
}

/* ---- back to JSON ---- */

static void add_rights(struct json_object *obj, const char *key, enum oci_landlock_kind kind,
                       uint64_t bits)
{
	uint64_t known = bits & oci_landlock_known(kind);
	struct json_object *list = json_add_array(obj, key);
	AUTO_STRV names = STRV_INIT;

	oci_landlock_names(kind, known, &names);
	for (size_t i = 0; i < names.len; i++)
		json_object_array_add(list, json_object_new_string(names.items[i]));
	if (bits & ~known)
		json_object_array_add(list, json_object_new_int64((int64_t)(bits & ~known)));
}

void spec_format_landlock(struct json_object *linux_obj, const struct oci_landlock *l)
{
	struct json_object *o, *ruleset, *rules, *list, *item;

	if (!l->present || l->from_annotation)
		return;
	o = json_add_object(linux_obj, "landlock");
	ruleset = json_add_object(o, "ruleset");
	add_rights(ruleset, "handledAccessFS", OCI_LANDLOCK_FS, l->fs);
	add_rights(ruleset, "handledAccessNet", OCI_LANDLOCK_NET, l->net);
	add_rights(ruleset, "scoped", OCI_LANDLOCK_SCOPE, l->scoped);
	add_rights(o, "restrictFlags", OCI_LANDLOCK_RESTRICT, l->restrict_flags);
	json_add_bool(o, "disableBestEffort", l->required);
	rules = json_add_object(o, "rules");
	list = json_add_array(rules, "pathBeneath");
	for (size_t i = 0; i < l->n_paths; i++) {
		json_object_array_add(list, item = json_object_new_object());
		(void)json_add_array(item, "paths");
		json_add_strv(item, "paths", &l->paths[i].paths);
		add_rights(item, "allowedAccess", OCI_LANDLOCK_FS, l->paths[i].access);
		json_add_bool(item, "ignoreMissing", l->paths[i].ignore_missing);
	}
	list = json_add_array(rules, "netPort");
	for (size_t i = 0; i < l->n_ports; i++) {
		struct json_object *ports;

		json_object_array_add(list, item = json_object_new_object());
		ports = json_add_array(item, "ports");
		for (size_t j = 0; j < l->ports[i].n_ports; j++)
			json_object_array_add(ports, json_object_new_int(l->ports[i].ports[j]));
		add_rights(item, "allowedAccess", OCI_LANDLOCK_NET, l->ports[i].access);
	}
}
