/* "linux.memoryPolicy" and "linux.intelRdt" of config.json, both ways. */
#include "oci/spec-internal.h"

static int one_line(const struct json *at, const char *value, struct err *err)
{
	if (value && strchr(value, '\n'))
		return json_error(err, at, "must be one line");
	return 0;
}

int spec_parse_memory_policy(const struct json *linux_, struct oci_memory_policy *m,
                             struct err *err)
{
	struct json obj, unused;
	bool present = false;

	if (json_get_object(linux_, "memoryPolicy", &obj, &present, err) < 0)
		return -1;
	if (!present)
		return 0;
	if (json_require(&obj, "mode", &unused, err) < 0 ||
	    spec_get_str(&obj, "mode", &m->mode, err) < 0 ||
	    spec_get_str(&obj, "nodes", &m->nodes, err) < 0)
		return -1;
	return json_get_strv(&obj, "flags", &m->flags, err);
}

int spec_parse_intel_rdt(const struct json *linux_, struct oci_intel_rdt *r, struct err *err)
{
	struct json obj;

	if (json_get_object(linux_, "intelRdt", &obj, &r->present, err) < 0)
		return -1;
	if (!r->present)
		return 0;
	if (spec_get_str(&obj, "closID", &r->clos_id, err) < 0 ||
	    spec_get_str(&obj, "l3CacheSchema", &r->l3_cache_schema, err) < 0 ||
	    spec_get_str(&obj, "memBwSchema", &r->mem_bw_schema, err) < 0 ||
	    json_get_strv(&obj, "schemata", &r->schemata, err) < 0 ||
	    json_get_bool(&obj, "enableMonitoring", &r->enable_monitoring, err) < 0 ||
	    one_line(&obj, r->l3_cache_schema, err) < 0 ||
	    one_line(&obj, r->mem_bw_schema, err) < 0)
		return -1;
	for (size_t i = 0; i < r->schemata.len; i++)
		if (one_line(&obj, r->schemata.items[i], err) < 0)
			return -1;
	if (r->mem_bw_schema && strncmp(r->mem_bw_schema, "MB:", 3) != 0)
		return json_error(err, &obj, "memBwSchema must begin with \"MB:\"");
	/* It becomes a directory's name. */
	if (r->clos_id && strcmp(r->clos_id, "/") != 0 &&
	    (!*r->clos_id || strchr(r->clos_id, '/') || !strcmp(r->clos_id, ".") ||
	     !strcmp(r->clos_id, "..")))
		return json_error(err, &obj, "closID '%s' is not a name", r->clos_id);
	return 0;
}

void spec_format_tuning(struct json_object *obj, const struct oci_linux *l)
{
	const struct oci_memory_policy *m = &l->memory_policy;
	const struct oci_intel_rdt *r = &l->intel_rdt;
	struct json_object *o;

	if (m->mode) {
		o = json_add_object(obj, "memoryPolicy");
		json_add_str(o, "mode", m->mode);
		json_add_str(o, "nodes", m->nodes);
		json_add_strv(o, "flags", &m->flags);
	}
	if (r->present) {
		o = json_add_object(obj, "intelRdt");
		json_add_str(o, "closID", r->clos_id);
		json_add_str(o, "l3CacheSchema", r->l3_cache_schema);
		json_add_str(o, "memBwSchema", r->mem_bw_schema);
		json_add_strv(o, "schemata", &r->schemata);
		if (r->enable_monitoring)
			json_add_bool(o, "enableMonitoring", true);
	}
}

void spec_tuning_done(struct oci_linux *l)
{
	free(l->memory_policy.mode);
	free(l->memory_policy.nodes);
	strv_done(&l->memory_policy.flags);
	free(l->intel_rdt.clos_id);
	free(l->intel_rdt.l3_cache_schema);
	free(l->intel_rdt.mem_bw_schema);
	strv_done(&l->intel_rdt.schemata);
}
