/* Dockerfile instructions that change an image's configuration, as `import -c` takes them. */
#include "base/num.h"
#include "base/strbuf.h"
#include "base/xalloc.h"
#include "oci/image-config.h"
#include <ctype.h>

static void set_string(char **field, const char *value)
{
	free(*field);
	*field = xstrdup(value);
}

static const char *skip_blanks(const char *s)
{
	return s + strspn(s, " \t");
}

/* One word, with '', "" and \ as in a Dockerfile; *s moves behind it. False at the end. */
static int next_word(const char **s, struct strbuf *word, struct err *err)
{
	const char *p = skip_blanks(*s);
	char quote = '\0';

	strbuf_reset(word);
	if (!*p)
		return 0;
	for (; *p && (quote || (*p != ' ' && *p != '\t')); p++) {
		if (quote && *p == quote) {
			quote = '\0';
		} else if (!quote && (*p == '"' || *p == '\'')) {
			quote = *p;
		} else if (*p == '\\' && quote != '\'' && p[1]) {
			strbuf_addc(word, *++p);
		} else {
			strbuf_addc(word, *p);
		}
	}
	if (quote)
		return err_set(err, E_INVALID, "a quote is not closed");
	*s = p;
	return 1;
}

/* ["a", "b"], or a command line for /bin/sh -c. */
static int set_command(struct strv *field, const char *value, struct err *err)
{
	AUTO_JSON *obj = NULL;
	struct json root;

	strv_done(field);
	if (*value != '[') {
		strv_add(field, "/bin/sh");
		strv_add(field, "-c");
		strv_add(field, value);
		return 0;
	}
	if (json_parse("command", value, strlen(value), &obj, err) < 0)
		return -1;
	root = json_root(obj, "command");
	for (size_t i = 0; i < json_len(&root); i++) {
		struct json item = json_item(&root, i);

		if (json_expect(&item, json_type_string, err) < 0)
			return -1;
		strv_add(field, json_object_get_string(item.obj));
	}
	return 0;
}

static int change_cmd(struct image_config *c, const char *value, struct err *err)
{
	return set_command(&c->cmd, value, err);
}

static int change_entrypoint(struct image_config *c, const char *value, struct err *err)
{
	return set_command(&c->entrypoint, value, err);
}

/* NAME=VALUE [NAME=VALUE...], or the old "NAME VALUE". */
static int set_pairs(struct strv *field, const char *value, struct err *err)
{
	AUTO_BUF word = STRBUF_INIT;
	bool first = true;
	int r;

	while ((r = next_word(&value, &word, err)) > 0) {
		char *equals = strchr(word.buf, '=');

		if (equals == word.buf)
			return err_set(err, E_INVALID, "a name is missing before '='");
		if (!equals && !first)
			return err_set(err, E_INVALID, "'%s' is not NAME=VALUE", word.buf);
		if (!equals) {
			value = skip_blanks(value);
			if (!*value)
				return err_set(err, E_INVALID, "'%s' has no value", word.buf);
			strv_set_env(field, word.buf, value);
			return 0;
		}
		*equals = '\0';
		strv_set_env(field, word.buf, equals + 1);
		first = false;
	}
	return r;
}

static int change_env(struct image_config *c, const char *value, struct err *err)
{
	return set_pairs(&c->env, value, err);
}

static int change_label(struct image_config *c, const char *value, struct err *err)
{
	return set_pairs(&c->labels, value, err);
}

static int change_expose(struct image_config *c, const char *value, struct err *err)
{
	AUTO_BUF word = STRBUF_INIT;
	int r;

	while ((r = next_word(&value, &word, err)) > 0) {
		char *slash = strchr(word.buf, '/');
		AUTO_FREE char *port = NULL;
		uint32_t number;

		if (slash)
			*slash++ = '\0';
		if (parse_u32(word.buf, &number) < 0 || number == 0 || number > 65535)
			return err_set(err, E_INVALID, "'%s' is not a port", word.buf);
		if (slash && strcmp(slash, "tcp") != 0 && strcmp(slash, "udp") != 0 &&
		    strcmp(slash, "sctp") != 0)
			return err_set(err, E_INVALID, "'%s' is not tcp, udp or sctp", slash);
		port = xasprintf("%u/%s", number, slash ? slash : "tcp");
		if (!strv_has(&c->exposed_ports, port))
			strv_add(&c->exposed_ports, port);
	}
	return r;
}

static int change_volume(struct image_config *c, const char *value, struct err *err)
{
	AUTO_STRV paths = STRV_INIT;
	AUTO_BUF word = STRBUF_INIT;
	int r = 0;

	if (*value == '[') {
		if (set_command(&paths, value, err) < 0)
			return -1;
	} else {
		while ((r = next_word(&value, &word, err)) > 0)
			strv_add(&paths, word.buf);
	}
	for (size_t i = 0; r == 0 && i < paths.len; i++) {
		if (paths.items[i][0] != '/')
			return err_set(err, E_INVALID, "'%s' is not an absolute path",
			               paths.items[i]);
		if (!strv_has(&c->volumes, paths.items[i]))
			strv_add(&c->volumes, paths.items[i]);
	}
	return r;
}

static int change_workdir(struct image_config *c, const char *value, struct err *err)
{
	AUTO_FREE char *joined = NULL;

	if (*value == '/')
		joined = xstrdup(value);
	else
		joined = xasprintf("%s/%s", c->workdir && strcmp(c->workdir, "/") ? c->workdir : "",
		                   value);
	set_string(&c->workdir, joined);
	return 0;
}

static int change_user(struct image_config *c, const char *value, struct err *err)
{
	set_string(&c->user, value);
	return 0;
}

static int change_stopsignal(struct image_config *c, const char *value, struct err *err)
{
	set_string(&c->stop_signal, value);
	return 0;
}

static int change_onbuild(struct image_config *c, const char *value, struct err *err)
{
	strv_add(&c->on_build, value);
	return 0;
}

static const struct {
	const char *name;
	int (*change)(struct image_config *c, const char *value, struct err *err);
} instructions[] = {
	{ "CMD", change_cmd },       { "ENTRYPOINT", change_entrypoint },
	{ "ENV", change_env },       { "EXPOSE", change_expose },
	{ "LABEL", change_label },   { "ONBUILD", change_onbuild },
	{ "USER", change_user },     { "STOPSIGNAL", change_stopsignal },
	{ "VOLUME", change_volume }, { "WORKDIR", change_workdir },
};

int image_config_change(struct image_config *c, const char *instruction, struct err *err)
{
	const char *s = skip_blanks(instruction);
	size_t len = strcspn(s, " \t=");
	const char *value = skip_blanks(s + len);

	/* podman's spelling "CMD=..." is taken too */
	if (*value == '=')
		value = skip_blanks(value + 1);
	for (size_t i = 0; i < ARRAY_LEN(instructions); i++) {
		if (strlen(instructions[i].name) != len ||
		    strncasecmp(instructions[i].name, s, len) != 0)
			continue;
		if (!*value)
			return err_set(err, E_INVALID, "change '%.200s': it has no value",
			               instruction);
		if (instructions[i].change(c, value, err) < 0)
			return err_ctx(err, "change '%.200s'", instruction);
		return 0;
	}
	err_set(err, E_INVALID, "change '%.200s': not an instruction that can change an image",
	        instruction);
	return err_hint(err, "CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, ONBUILD, STOPSIGNAL, USER,"
	                     " VOLUME and WORKDIR can");
}
