#include "base/fd.h"
#include "base/proc.h"
#include "base/strbuf.h"
#include "base/xalloc.h"
#include "codec/base64.h"
#include "codec/json.h"
#include "image/creds-internal.h"
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define AUTH_FILE_MAX  (4u << 20)
#define NO_CREDENTIALS "credentials not found" /* what helpers print, by their protocol */

static void wipe(char **s)
{
	if (*s)
		explicit_bzero(*s, strlen(*s));
	free(*s);
	*s = NULL;
}

void creds_done(struct creds *c)
{
	wipe(&c->user);
	wipe(&c->password);
	wipe(&c->identity_token);
}

int creds_parse(const char *s, struct creds *ret, struct err *err)
{
	const char *colon = strchr(s, ':');

	if (!colon || colon == s) {
		err_set(err, E_INVALID, "the credentials are not USER:PASSWORD");
		return -1;
	}
	ret->user = xstrndup(s, (size_t)(colon - s));
	ret->password = xstrdup(colon + 1);
	return 0;
}

char *creds_basic(const struct creds *c)
{
	AUTO_FREE char *pair = xasprintf("%s:%s", c->user, c->password);
	AUTO_FREE char *code = base64_encode(pair, strlen(pair));
	char *value = xasprintf("Basic %s", code);

	explicit_bzero(pair, strlen(pair));
	explicit_bzero(code, strlen(code));
	return value;
}

/* --- helpers --- */

static int ask_helper(const char *helper, const char *server, struct creds *ret, struct err *err)
{
	AUTO_FREE char *program = xasprintf("docker-credential-%s", helper);
	AUTO_FD input = memfd_create("server", MFD_CLOEXEC);
	AUTO_BUF out = STRBUF_INIT;
	AUTO_BUF complaint = STRBUF_INIT;
	const char *argv[] = { program, "get", NULL };
	struct proc_spec spec = { .argv = argv, .ret_out = &out, .ret_err = &complaint };
	AUTO_JSON *obj = NULL;
	const char *user = NULL, *secret = NULL;
	struct json root;
	int status;

	if (strchr(helper, '/'))
		return err_set(err, E_INVALID, "credential helper '%.100s': not a name", helper);
	if (input < 0 || fd_write_all(input, server, strlen(server)) < 0 ||
	    lseek(input, 0, SEEK_SET) < 0)
		return err_sys(err, errno, "credential helper '%s'", helper);
	spec.stdin_fd = input;
	if (proc_run(&spec, &status, err) < 0)
		return err_ctx(err, "credential helper '%s'", helper);
	if (proc_exit_code(status) != 0) {
		if (strstr(out.buf, NO_CREDENTIALS) || strstr(complaint.buf, NO_CREDENTIALS))
			return 0;
		return err_set(err, E_AUTH, "credential helper '%s' failed for '%s'", helper,
		               server);
	}
	if (json_parse(program, out.buf, out.len, &obj, err) < 0)
		return -1;
	explicit_bzero(out.buf, out.len);
	root = json_root(obj, program);
	if (json_get_str(&root, "Username", &user, err) < 0 ||
	    json_get_str(&root, "Secret", &secret, err) < 0)
		return -1;
	if (!user || !secret)
		return err_set(err, E_AUTH, "credential helper '%s' gave no credentials", helper);
	if (strcmp(user, "<token>") == 0) {
		ret->identity_token = xstrdup(secret);
	} else {
		ret->user = xstrdup(user);
		ret->password = xstrdup(secret);
	}
	return 0;
}

/* --- files --- */

/* docker writes "https://index.docker.io/v1/" for what is called docker.io elsewhere. */
static char *normalise_key(const char *key)
{
	const char *scheme = strstr(key, "://");
	AUTO_FREE char *s = xstrdup(scheme ? scheme + 3 : key);
	size_t len = strlen(s);

	while (len && s[len - 1] == '/')
		s[--len] = '\0';
	if (len > 3 && (strcmp(s + len - 3, "/v1") == 0 || strcmp(s + len - 3, "/v2") == 0))
		s[len - 3] = '\0';
	for (char *c = s; *c && *c != '/'; c++)
		*c = (char)tolower((unsigned char)*c);
	if (strcmp(s, "index.docker.io") == 0 || strcmp(s, "registry-1.docker.io") == 0)
		return xstrdup("docker.io");
	return TAKE_PTR(s);
}

/* How many bytes of "domain/path" the key covers; 0: it does not. */
static size_t covers(const char *key, const char *domain, const char *path)
{
	AUTO_FREE char *have = normalise_key(key);
	AUTO_FREE char *want = xasprintf("%s/%s", domain, path);
	size_t len = strlen(have);

	if (!len || strncmp(have, want, len) != 0 || (want[len] && want[len] != '/'))
		return 0;
	return len;
}

/* The key of `map` that covers most. *ret stays NULL when none does. */
static void best_key(const struct json *map, const char *domain, const char *path, const char **ret)
{
	size_t best = 0;

	json_object_object_foreach(map->obj, key, value)
	{
		size_t n = covers(key, domain, path);

		(void)value;
		if (n > best) {
			best = n;
			*ret = key;
		}
	}
}

static int take_entry(const struct json *entry, struct creds *ret, struct err *err)
{
	const char *auth = NULL, *token = NULL, *user = NULL, *password = NULL;
	AUTO_BUF pair = STRBUF_INIT;
	int r = 0;

	if (json_get_str(entry, "auth", &auth, err) < 0 ||
	    json_get_str(entry, "identitytoken", &token, err) < 0 ||
	    json_get_str(entry, "username", &user, err) < 0 ||
	    json_get_str(entry, "password", &password, err) < 0)
		return -1;
	if (token && *token) {
		ret->identity_token = xstrdup(token);
		return 0;
	}
	if (auth && *auth) {
		if (base64_decode(auth, strlen(auth), &pair) < 0 || strlen(pair.buf) != pair.len ||
		    creds_parse(pair.buf, ret, ERR_IGNORE) < 0)
			r = json_error(err, entry, "auth is not base64 of USER:PASSWORD");
		if (pair.len)
			explicit_bzero(pair.buf, pair.len);
		return r;
	}
	if (user && password) {
		ret->user = xstrdup(user);
		ret->password = xstrdup(password);
	}
	return 0;
}

static bool is_empty(const struct creds *c)
{
	return !c->user && !c->identity_token;
}

static int find_in_json(const struct json *root, const char *domain, const char *path,
                        struct creds *ret, struct err *err)
{
	struct json map, entry;
	const char *key = NULL, *helper = NULL;
	const char *server = strcmp(domain, "docker.io") ? domain : "https://index.docker.io/v1/";
	bool present = false;

	if (json_get_object(root, "credHelpers", &map, &present, err) < 0)
		return -1;
	if (present) {
		best_key(&map, domain, path, &key);
		if (key && json_get_str(&map, key, &helper, err) < 0)
			return -1;
		if (helper && *helper)
			return ask_helper(helper, server, ret, err);
	}
	if (json_get_object(root, "auths", &map, &present, err) < 0)
		return -1;
	if (present) {
		key = NULL;
		best_key(&map, domain, path, &key);
		if (key && json_get_object(&map, key, &entry, &present, err) < 0)
			return -1;
		if (key && present && take_entry(&entry, ret, err) < 0)
			return -1;
	}
	if (!is_empty(ret))
		return 0;
	if (json_get_str(root, "credsStore", &helper, err) < 0)
		return -1;
	return helper && *helper ? ask_helper(helper, server, ret, err) : 0;
}

/* Return 1 when the file is there. */
static int find_in_file(const char *file, const char *domain, const char *path, struct creds *ret,
                        struct err *err)
{
	AUTO_FREE char *text = NULL;
	AUTO_JSON *obj = NULL;
	struct json root;
	size_t len;
	int r;

	if (access(file, F_OK) < 0)
		return 0;
	if (file_read_at(AT_FDCWD, file, AUTH_FILE_MAX, &text, &len, err) < 0)
		return err_ctx(err, "read credentials");
	if (len == 0)
		return 1;
	r = json_parse(file, text, len, &obj, err);
	explicit_bzero(text, len);
	if (r < 0)
		return err_hint(err, "repair the file, or name another with --authfile");
	root = json_root(obj, file);
	if (json_expect(&root, json_type_object, err) < 0)
		return -1;
	return find_in_json(&root, domain, path, ret, err) < 0 ? -1 : 1;
}

int creds_find(const char *authfile, const char *domain, const char *path, struct creds *ret,
               struct err *err)
{
	const char *home = getenv("HOME"), *runtime = getenv("XDG_RUNTIME_DIR");
	const char *config = getenv("XDG_CONFIG_HOME"), *docker = getenv("DOCKER_CONFIG");
	AUTO_STRV files = STRV_INIT;

	if (!authfile || !*authfile)
		authfile = getenv("REGISTRY_AUTH_FILE");
	if (authfile && *authfile) {
		int r = find_in_file(authfile, domain, path, ret, err);

		if (r == 0)
			return err_set(err, E_NOT_FOUND, "no such file of credentials: '%s'",
			               authfile);
		return r < 0 ? -1 : 0;
	}
	if (runtime && *runtime)
		strv_addf(&files, "%s/containers/auth.json", runtime);
	else
		strv_addf(&files, "/run/containers/%u/auth.json", (unsigned)getuid());
	if (config && *config)
		strv_addf(&files, "%s/containers/auth.json", config);
	else if (home && *home)
		strv_addf(&files, "%s/.config/containers/auth.json", home);
	if (docker && *docker)
		strv_addf(&files, "%s/config.json", docker);
	else if (home && *home)
		strv_addf(&files, "%s/.docker/config.json", home);
	for (size_t i = 0; i < files.len; i++)
		if (find_in_file(files.items[i], domain, path, ret, err) < 0)
			return -1;
		else if (!is_empty(ret))
			return 0;
	return 0;
}
