/* argv and environment. */
#include <errno.h>
#include <fcntl.h>

#include "base/fd.h"
#include "base/xalloc.h"
#include "codec/json.h"
#include "engine/spec-internal.h"

#define ENV_FILE_MAX (1u << 20)

extern char **environ;

/* --entrypoint: a JSON array of strings, or one word. */
int entrypoint_parse(const char *text, struct strv *ret, struct err *err)
{
	AUTO_JSON *obj = NULL;
	struct json root;

	if (!*text)
		return 0;
	if (*text != '[') {
		strv_add(ret, text);
		return 0;
	}
	if (json_parse("--entrypoint", text, strlen(text), &obj, err) < 0)
		return -1;
	root = json_root(obj, "--entrypoint");
	for (size_t i = 0; i < json_len(&root); i++) {
		struct json item = json_item(&root, i);

		if (json_expect(&item, json_type_string, err) < 0)
			return -1;
		strv_add(ret, json_object_get_string(item.obj));
	}
	return 0;
}

int command_build(const struct container_options *opts, const struct image_config *image,
                  struct strv *ret, struct err *err)
{
	AUTO_STRV argv = STRV_INIT;

	if (opts->entrypoint) {
		if (entrypoint_parse(opts->entrypoint, &argv, err) < 0)
			return -1;
	} else if (image->entrypoint.items) {
		strv_add_all(&argv, image->entrypoint.items);
	}
	/* the image's Cmd are arguments for its own entrypoint, not for another */
	if (opts->args_given && opts->args.items)
		strv_add_all(&argv, opts->args.items);
	else if (!opts->args_given && !opts->entrypoint && image->cmd.items)
		strv_add_all(&argv, image->cmd.items);
	if (!argv.len || !*argv.items[0]) {
		err_set(err, E_INVALID, "no command given, and the image has none");
		return err_hint(err, "name one after the image");
	}
	*ret = argv;
	argv = STRV_INIT;
	return 0;
}

/* The value of NAME in a plain vector, or NULL. */
static const char *env_lookup(char *const *vector, const char *name)
{
	size_t len = strlen(name);

	for (; vector && *vector; vector++)
		if (!strncmp(*vector, name, len) && (*vector)[len] == '=')
			return *vector + len + 1;
	return NULL;
}

static void env_remove(struct strv *v, const char *name)
{
	size_t len = strlen(name), kept = 0;

	for (size_t i = 0; i < v->len; i++) {
		if (!strncmp(v->items[i], name, len) && v->items[i][len] == '=')
			free(v->items[i]);
		else
			v->items[kept++] = v->items[i];
	}
	if (v->items)
		v->items[kept] = NULL;
	v->len = kept;
}

/* "NAME=VALUE" is set; "NAME" is copied from the host, or taken away when it is not set there. */
static int env_apply(struct strv *ret, const char *entry, char *const *host_env, struct err *err)
{
	const char *eq = strchr(entry, '=');
	AUTO_FREE char *name = eq ? xstrndup(entry, (size_t)(eq - entry)) : xstrdup(entry);
	const char *value = eq ? eq + 1 : env_lookup(host_env, name);

	if (!*name)
		return err_set(err, E_INVALID, "environment '%s': the name is empty", entry);
	if (value)
		strv_set_env(ret, name, value);
	else
		env_remove(ret, name);
	return 0;
}

/* Lines of NAME=VALUE or NAME; '#' begins a comment line. Values are verbatim, as docker has it. */
static int file_lines(const char *option, const char *path, struct strv *ret, struct err *err)
{
	AUTO_FREE char *text = NULL;
	char *line, *next;
	size_t len, number = 0;

	if (file_read_at(AT_FDCWD, path, ENV_FILE_MAX, &text, &len, err) < 0)
		return err_ctx(err, "%s", option);
	if (strlen(text) != len)
		return err_set(err, E_INVALID, "%s '%s': contains NUL bytes", option, path);
	line = text;
	if (!strncmp(line, "\xef\xbb\xbf", 3))
		line += 3;
	for (; line; line = next) {
		size_t name;

		number++;
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		line += strspn(line, " \t\v\f");
		len = strlen(line);
		if (len && line[len - 1] == '\r')
			line[--len] = '\0';
		if (!*line || *line == '#')
			continue;
		name = strcspn(line, "=");
		if (!name || strcspn(line, " \t") < name)
			return err_set(err, E_INVALID,
			               "%s '%s': line %zu: '%.80s' is no NAME=VALUE", option, path,
			               number, line);
		strv_add(ret, line);
	}
	return 0;
}

int env_build(const struct strv *image_env, const struct strv *env_files, const struct strv *env,
              char *const *host_env, struct strv *ret, struct err *err)
{
	AUTO_STRV lines = STRV_INIT;

	if (!host_env)
		host_env = environ;
	/* what an image says is never looked up on the host (CVE-2026-57231): an entry without
	 * '=' means nothing and is dropped */
	for (size_t i = 0; image_env && i < image_env->len; i++) {
		const char *eq = strchr(image_env->items[i], '=');

		if (eq && eq != image_env->items[i])
			env_apply(ret, image_env->items[i], NULL, ERR_IGNORE);
	}
	for (size_t i = 0; env_files && i < env_files->len; i++)
		if (file_lines("--env-file", env_files->items[i], &lines, err) < 0)
			return -1;
	for (size_t i = 0; i < lines.len; i++)
		if (env_apply(ret, lines.items[i], host_env, err) < 0)
			return -1;
	for (size_t i = 0; env && i < env->len; i++)
		if (env_apply(ret, env->items[i], host_env, err) < 0)
			return err_ctx(err, "--env");
	return 0;
}

/* Replace a list by another. */
static void replace(struct strv *list, struct strv *by)
{
	strv_done(list);
	*list = *by;
	*by = STRV_INIT;
}

static int resolve_env(struct container_options *opts, char *const *host_env, struct err *err)
{
	AUTO_STRV lines = STRV_INIT;
	AUTO_STRV env = STRV_INIT;

	for (size_t i = 0; i < opts->env_file.len; i++)
		if (file_lines("--env-file", opts->env_file.items[i], &lines, err) < 0)
			return -1;
	if (opts->env.items)
		strv_add_all(&lines, opts->env.items);
	for (size_t i = 0; i < lines.len; i++) {
		const char *entry = lines.items[i];
		const char *value = strchr(entry, '=') ? NULL : env_lookup(host_env, entry);

		if (*entry == '=')
			return err_set(err, E_INVALID, "--env '%s': the name is empty", entry);
		/* a bare name that is not set stays bare: it takes the image's variable away */
		if (value)
			strv_addf(&env, "%s=%s", entry, value);
		else
			strv_add(&env, entry);
	}
	replace(&opts->env, &env);
	strv_done(&opts->env_file);
	return 0;
}

static int resolve_labels(struct container_options *opts, struct err *err)
{
	AUTO_STRV labels = STRV_INIT;

	for (size_t i = 0; i < opts->label_file.len; i++)
		if (file_lines("--label-file", opts->label_file.items[i], &labels, err) < 0)
			return -1;
	if (opts->label.items)
		strv_add_all(&labels, opts->label.items);
	replace(&opts->label, &labels);
	strv_done(&opts->label_file);
	return 0;
}

/* seccomp=FILE becomes seccomp=TEXT, so that the container does not change with the file. */
static int resolve_seccomp(struct container_options *opts, struct err *err)
{
	for (size_t i = 0; i < opts->security_opt.len; i++) {
		char *entry = opts->security_opt.items[i];
		const char *value = entry + strlen("seccomp=");
		AUTO_FREE char *text = NULL;
		size_t len;

		if (strncmp(entry, "seccomp=", 8) != 0 && strncmp(entry, "seccomp:", 8) != 0)
			continue;
		if (*value == '{' || !strcmp(value, "unconfined") || !strcmp(value, "builtin"))
			continue;
		if (file_read_at(AT_FDCWD, value, JSON_MAX_BYTES, &text, &len, err) < 0)
			return err_ctx(err, "--security-opt '%s'", entry);
		opts->security_opt.items[i] = xasprintf("seccomp=%s", text);
		free(entry);
	}
	return 0;
}

int container_options_resolve(struct container_options *opts, char *const *host_env,
                              struct err *err)
{
	if (resolve_env(opts, host_env ?: environ, err) < 0 || resolve_labels(opts, err) < 0)
		return -1;
	return resolve_seccomp(opts, err);
}
