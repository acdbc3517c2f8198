#include "image/login.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/xalloc.h"
#include "codec/json.h"
#include "image/creds-internal.h"
#include "image/registry-internal.h"

#define AUTH_FILE_MAX (4u << 20)

/* What registries.conf says of it: not blocked, and whether TLS is to be insisted on. */
static int by_registries(const struct login *login, int *tls_verify, struct err *err)
{
	AUTO_FREE char *name = xasprintf("%s/x", login->domain);
	AUTO_REGISTRIES registries = REGISTRIES_INIT;
	const struct registry_entry *entry;
	AUTO_REF ref = IMAGE_REF_INIT;

	if (image_ref_parse(name, &ref, err) < 0 || registries_load(&registries, err) < 0 ||
	    registries_check_blocked(&registries, &ref, err) < 0)
		return -1;
	entry = registries_find(&registries, &ref);
	if (*tls_verify < 0 && entry && entry->insecure)
		*tls_verify = 0;
	return 0;
}

int registry_login(const struct login *login, struct err *err)
{
	AUTO_FREE char *pair = xasprintf("%s:%s", login->user, login->password);
	struct registry_options options = { .tls_verify = login->tls_verify,
		                            .creds = pair,
		                            .cert_dir = login->cert_dir,
		                            .cancel = login->cancel };
	struct registry *reg = NULL;
	struct http http = { 0 };
	int r = by_registries(login, &options.tls_verify, err);

	if (r == 0)
		r = registry_new(login->domain, "", &options, &reg, err);
	if (r == 0)
		r = http_init(&http, registry_policy(reg), err);
	if (r == 0)
		r = registry_ping(reg, &http, err);
	http_done(&http);
	registry_free(reg);
	explicit_bzero(pair, strlen(pair));
	if (r < 0 && err->code == E_AUTH) {
		err_set(err, E_AUTH, "registry '%s' refuses this user and password", login->domain);
		return err_hint(err, "nothing was stored");
	}
	return r;
}

/* Where credentials are written. Caller frees. */
static char *store_path(const char *authfile)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");

	if (!authfile || !*authfile)
		authfile = getenv("REGISTRY_AUTH_FILE");
	if (authfile && *authfile)
		return xstrdup(authfile);
	if (runtime && *runtime)
		return xasprintf("%s/containers/auth.json", runtime);
	return xasprintf("/run/containers/%u/auth.json", (unsigned)getuid());
}

/* The document, or an empty one when there is no file. Caller puts. */
static int load(const char *path, struct json_object **ret, struct err *err)
{
	AUTO_FREE char *text = NULL;
	AUTO_JSON *obj = NULL;
	struct json root;
	size_t len = 0;
	int r = 0;

	if (access(path, F_OK) < 0) {
		*ret = json_object_new_object();
		return 0;
	}
	if (file_read_at(AT_FDCWD, path, AUTH_FILE_MAX, &text, &len, err) < 0)
		return err_ctx(err, "read credentials");
	r = len ? json_parse(path, text, len, &obj, err) : 0;
	explicit_bzero(text, len);
	if (r < 0)
		return err_hint(err, "repair the file, or name another with --authfile");
	if (!len)
		obj = json_object_new_object();
	root = json_root(obj, path);
	if (json_expect(&root, json_type_object, err) < 0)
		return -1;
	*ret = TAKE_PTR(obj);
	return 0;
}

static int save(const char *named, struct json_object *obj, struct err *err)
{
	/* a link stays a link; what it points at is replaced */
	AUTO_FREE char *real = realpath(named, NULL);
	const char *path = real ? real : named;
	const char *slash = strrchr(path, '/');
	AUTO_FREE char *dir = slash ? xstrndup(path, (size_t)(slash - path)) : xstrdup(".");
	const char *text = json_text(obj, true);
	AUTO_FD dir_fd = -1;
	struct stat st;

	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
		return err_set(err, E_INVALID, "keep credentials: '%s' is not a file", named);
	if (dir[0] && dir_make_at(AT_FDCWD, dir, 0700, err) < 0)
		return err_ctx(err, "keep credentials");
	dir_fd = open(dir[0] ? dir : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir_fd < 0)
		return err_sys(err, errno, "open '%s'", dir);
	if (file_write_atomic_at(dir_fd, slash ? slash + 1 : path, text, strlen(text), 0600, 0,
	                         err) < 0)
		return err_ctx(err, "keep credentials in '%s'", dir);
	return 0;
}

static struct json_object *auths_of(struct json_object *obj)
{
	struct json_object *auths = NULL;

	if (json_object_object_get_ex(obj, "auths", &auths) &&
	    json_object_is_type(auths, json_type_object))
		return auths;
	json_object_object_del(obj, "auths");
	return json_add_object(obj, "auths");
}

int creds_store(const char *authfile, const char *domain, const char *user, const char *password,
                struct err *err)
{
	AUTO_FREE char *path = store_path(authfile);
	struct creds c = { .user = (char *)user, .password = (char *)password };
	AUTO_FREE char *basic = creds_basic(&c);
	AUTO_JSON *obj = NULL;
	struct json_object *entry;

	if (load(path, &obj, err) < 0)
		return -1;
	json_object_object_del(auths_of(obj), domain);
	entry = json_add_object(auths_of(obj), domain);
	json_add_str(entry, "auth", basic + strlen("Basic "));
	explicit_bzero(basic, strlen(basic));
	return save(path, obj, err);
}

int creds_forget(const char *authfile, const char *domain, int *ret_count, struct err *err)
{
	AUTO_FREE char *path = store_path(authfile);
	AUTO_JSON *obj = NULL;
	struct json_object *auths;

	*ret_count = 0;
	if (load(path, &obj, err) < 0)
		return -1;
	auths = auths_of(obj);
	if (!domain) {
		*ret_count = json_object_object_length(auths);
		json_object_object_del(obj, "auths");
		json_add_object(obj, "auths");
	} else if (json_object_object_get_ex(auths, domain, NULL)) {
		json_object_object_del(auths, domain);
		*ret_count = 1;
	}
	return *ret_count ? save(path, obj, err) : 0;
}

int creds_user(const char *authfile, const char *domain, char **ret_user, struct err *err)
{
	AUTO_CREDS c = { 0 };

	if (creds_find(authfile, domain, "", &c, err) < 0)
		return -1;
	*ret_user = TAKE_PTR(c.user);
	return 0;
}
