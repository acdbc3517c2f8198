#include "image/trust/yaml-dl.h"
#include "base/xalloc.h"
#include <dlfcn.h>
#include <yaml.h>

#define DEPTH_MAX 16

#define YAML_SYMBOLS(X)                                                                            \
	X(yaml_parser_initialize)                                                                  \
	X(yaml_parser_set_input_string)                                                            \
	X(yaml_parser_parse)                                                                       \
	X(yaml_parser_delete)                                                                      \
	X(yaml_event_delete)

struct yaml_api {
#define YAML_MEMBER(name) __typeof__(&(name)) name;
	YAML_SYMBOLS(YAML_MEMBER)
#undef YAML_MEMBER
};

static const struct {
	const char *name;
	size_t offset;
} symbols[] = {
#define YAML_ENTRY(name) { #name, offsetof(struct yaml_api, name) },
	YAML_SYMBOLS(YAML_ENTRY)
#undef YAML_ENTRY
};

static const struct yaml_api *yaml_api(struct err *err)
{
	static struct yaml_api api;
	static bool is_ready;
	void *library;

	if (is_ready)
		return &api;
	library = dlopen("libyaml-0.so.2", RTLD_NOW | RTLD_LOCAL);
	if (!library) {
		err_set(err, E_UNSUPPORTED, "registries.d needs libyaml: %s", dlerror());
		err_hint(err, "install Debian's package libyaml-0-2");
		return NULL;
	}
	for (size_t i = 0; i < ARRAY_LEN(symbols); i++) {
		void *symbol = dlsym(library, symbols[i].name);

		if (!symbol) {
			err_set(err, E_UNSUPPORTED, "libyaml has no %s", symbols[i].name);
			return NULL;
		}
		memcpy((char *)&api + symbols[i].offset, &symbol, sizeof(symbol));
	}
	is_ready = true;
	return &api;
}

struct reader {
	const struct yaml_api *api;
	const char *what;
	yaml_parser_t parser;
	yaml_event_t event;
	bool has_event;
	int depth;
	struct err *err;
};

static int next(struct reader *r)
{
	if (r->has_event)
		r->api->yaml_event_delete(&r->event);
	r->has_event = r->api->yaml_parser_parse(&r->parser, &r->event) == 1;
	if (r->has_event)
		return 0;
	return err_set(r->err, E_INVALID, "%s:%zu:%zu: %s", r->what,
	               r->parser.problem_mark.line + 1, r->parser.problem_mark.column + 1,
	               r->parser.problem ? r->parser.problem : "not YAML");
}

static int fail(struct reader *r, const char *text)
{
	return err_set(r->err, E_INVALID, "%s:%zu:%zu: %s", r->what, r->event.start_mark.line + 1,
	               r->event.start_mark.column + 1, text);
}

static int read_node(struct reader *r, struct json_object **ret);

static int read_mapping(struct reader *r, struct json_object **ret)
{
	AUTO_JSON *map = json_object_new_object();

	for (;;) {
		AUTO_FREE char *key = NULL;
		struct json_object *value = NULL;

		if (next(r) < 0)
			return -1;
		if (r->event.type == YAML_MAPPING_END_EVENT)
			break;
		if (r->event.type != YAML_SCALAR_EVENT)
			return fail(r, "a key that is no text");
		key = xstrdup((const char *)r->event.data.scalar.value);
		if (json_object_object_get_ex(map, key, NULL))
			return fail(r, "a key that is there twice");
		if (next(r) < 0 || read_node(r, &value) < 0)
			return -1;
		json_object_object_add(map, key, value);
	}
	*ret = TAKE_PTR(map);
	return 0;
}

static int read_sequence(struct reader *r, struct json_object **ret)
{
	AUTO_JSON *list = json_object_new_array();

	for (;;) {
		struct json_object *value = NULL;

		if (next(r) < 0)
			return -1;
		if (r->event.type == YAML_SEQUENCE_END_EVENT)
			break;
		if (read_node(r, &value) < 0)
			return -1;
		json_object_array_add(list, value);
	}
	*ret = TAKE_PTR(list);
	return 0;
}

/* The node whose first event is the current one. */
static int read_node(struct reader *r, struct json_object **ret)
{
	int result;

	if (r->event.type == YAML_SCALAR_EVENT) {
		if (r->event.data.scalar.anchor)
			return fail(r, "anchors are not supported");
		/* an empty plain scalar is YAML's null */
		*ret = r->event.data.scalar.length || !r->event.data.scalar.plain_implicit
		               ? json_object_new_string((const char *)r->event.data.scalar.value)
		               : NULL;
		return 0;
	}
	if (r->event.type != YAML_MAPPING_START_EVENT && r->event.type != YAML_SEQUENCE_START_EVENT)
		return fail(r, "aliases are not supported");
	if (++r->depth > DEPTH_MAX)
		return fail(r, "nested too deeply");
	result = r->event.type == YAML_MAPPING_START_EVENT ? read_mapping(r, ret)
	                                                   : read_sequence(r, ret);
	r->depth--;
	return result;
}

static int read_document(struct reader *r, struct json_object **ret)
{
	if (next(r) < 0 || next(r) < 0) /* the stream's start, the document's */
		return -1;
	if (r->event.type == YAML_STREAM_END_EVENT)
		return 0;
	if (next(r) < 0 || read_node(r, ret) < 0 || next(r) < 0 || next(r) < 0)
		return -1;
	return r->event.type == YAML_STREAM_END_EVENT ? 0 : fail(r, "more than one document");
}

int yaml_to_json(const char *what, const char *text, size_t len, struct json_object **ret,
                 struct err *err)
{
	struct reader r = { .api = yaml_api(err), .what = what, .err = err };
	AUTO_JSON *obj = NULL;
	int result;

	if (!r.api)
		return -1;
	if (len > YAML_MAX_BYTES)
		return err_set(err, E_LIMIT, "%s: %zu bytes, more than %u", what, len,
		               YAML_MAX_BYTES);
	if (!r.api->yaml_parser_initialize(&r.parser))
		return err_set(err, E_INTERNAL, "libyaml: out of memory");
	r.api->yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, len);
	result = read_document(&r, &obj);
	if (r.has_event)
		r.api->yaml_event_delete(&r.event);
	r.api->yaml_parser_delete(&r.parser);
	if (result < 0)
		return -1;
	*ret = obj ? TAKE_PTR(obj) : json_object_new_object();
	return 0;
}
