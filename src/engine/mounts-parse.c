#include "engine/mounts-parse.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/num.h"
#include "base/strbuf.h"
#include "base/xalloc.h"
#include "engine/volumes.h"

static void request_done(struct mount_request *m)
{
	free(m->source);
	free(m->target);
	free(m->subpath);
	free(m->text);
	strv_done(&m->options);
	strv_done(&m->labels);
}

void mount_requests_done(struct mount_requests *list)
{
	for (size_t i = 0; i < list->count; i++)
		request_done(&list->items[i]);
	free(list->items);
	*list = (struct mount_requests){ 0 };
}

bool volume_name_is_valid(const char *name)
{
	size_t len = strlen(name);

	if (!len || len > VOLUME_NAME_MAX || !isalnum((unsigned char)name[0]))
		return false;
	for (size_t i = 1; i < len; i++)
		if (!isalnum((unsigned char)name[i]) && !strchr("_.-", name[i]))
			return false;
	return true;
}

int container_path_clean(const char *path, char **ret, struct err *err)
{
	AUTO_BUF out = STRBUF_INIT;
	const char *p = path;

	if (*path != '/')
		return err_set(err, E_INVALID, "'%s' is not an absolute path", path);
	if (strlen(path) >= PATH_MAX)
		return err_set(err, E_INVALID, "'%.40s...' is too long a path", path);
	while (*p) {
		size_t len = strcspn(p, "/");

		if (len == 2 && !strncmp(p, "..", 2)) {
			const char *slash = strrchr(out.buf, '/');

			strbuf_trunc(&out, slash ? (size_t)(slash - out.buf) : 0);
		} else if (len && !(len == 1 && *p == '.')) {
			strbuf_addc(&out, '/');
			strbuf_add(&out, p, len);
		}
		p += len + (p[len] == '/');
	}
	if (!out.len)
		strbuf_addc(&out, '/');
	*ret = strbuf_take(&out);
	return 0;
}

static int bad(const struct mount_request *m, struct err *err, const char *fmt, ...)
	PRINTF_LIKE(3, 4);

/* "--volume '/a:/b': REASON" */
static int bad(const struct mount_request *m, struct err *err, const char *fmt, ...)
{
	AUTO_FREE char *why = NULL;
	va_list ap;

	va_start(ap, fmt);
	why = xvasprintf(fmt, ap);
	va_end(ap);
	return err_set(err, E_INVALID, "%s '%s': %s", m->option, m->text, why);
}

static int set_target(struct mount_request *m, const char *target, struct err *err)
{
	if (m->target)
		return bad(m, err, "the target is given twice");
	if (container_path_clean(target, &m->target, err) < 0)
		return bad(m, err, "the target must be an absolute path, not '%s'", target);
	if (!strcmp(m->target, "/"))
		return bad(m, err, "the target cannot be '/'");
	return 0;
}

/* A path of the host made absolute: "." and "./x" are relative to where the command runs. */
static int set_host_source(struct mount_request *m, const char *source, struct err *err)
{
	AUTO_FREE char *joined = NULL;

	m->kind = MOUNT_KIND_BIND;
	free(TAKE_PTR(m->source));
	if (*source != '/') {
		AUTO_FREE char *cwd = getcwd(NULL, 0);

		if (!cwd)
			return err_sys(err, errno, "current directory");
		joined = xasprintf("%s/%s", cwd, source);
	}
	/* ".." after a symbolic link means something else on the host: only dots are cleaned */
	m->source = joined ? TAKE_PTR(joined) : xstrdup(source);
	return 0;
}

static int set_volume_source(struct mount_request *m, const char *source, struct err *err)
{
	m->kind = MOUNT_KIND_VOLUME;
	if (!volume_name_is_valid(source))
		return bad(m, err,
		           "'%s' is neither an absolute path nor a volume name "
		           "([a-zA-Z0-9][a-zA-Z0-9_.-]*)",
		           source);
	free(m->source);
	m->source = xstrdup(source);
	return 0;
}

static const char *const propagations[] = {
	"shared", "rshared", "slave", "rslave", "private", "rprivate",
};

static bool is_propagation(const char *s)
{
	for (size_t i = 0; i < ARRAY_LEN(propagations); i++)
		if (!strcmp(s, propagations[i]))
			return true;
	return false;
}

/* What an option of -v means; NULL spec: nothing here. */
static const struct {
	const char *name;
	const char *spec;
} volume_flags[] = {
	{ "rw", "rw" },     { "ro", "ro" },         { "exec", "exec" },     { "noexec", "noexec" },
	{ "suid", "suid" }, { "nosuid", "nosuid" }, { "dev", "dev" },       { "nodev", "nodev" },
	{ "bind", NULL },   { "rbind", NULL },      { "z", NULL },          { "Z", NULL },
	{ "cached", NULL }, { "delegated", NULL },  { "consistent", NULL },
};

static int volume_flag(struct mount_request *m, const char *flag, struct err *err)
{
	if (!strcmp(flag, "nocopy")) {
		if (m->kind != MOUNT_KIND_VOLUME)
			return bad(m, err, "'nocopy' is only for volumes");
		m->no_copy = true;
		return 0;
	}
	if (is_propagation(flag)) {
		if (m->kind != MOUNT_KIND_BIND)
			return bad(m, err, "'%s' is only for directories of the host", flag);
		strv_add(&m->options, flag);
		return 0;
	}
	for (size_t i = 0; i < ARRAY_LEN(volume_flags); i++) {
		if (strcmp(flag, volume_flags[i].name) != 0)
			continue;
		if (volume_flags[i].spec)
			strv_add(&m->options, volume_flags[i].spec);
		if (!strcmp(flag, "ro"))
			m->read_only = true;
		return 0;
	}
	return bad(m, err, "unknown option '%s'", flag);
}

static int parse_volume(struct mount_request *m, struct err *err)
{
	AUTO_STRV parts = STRV_INIT;
	AUTO_STRV flags = STRV_INIT;
	const char *source = NULL, *target, *options = NULL;

	strv_split(&parts, m->text, ':');
	if (parts.len > 3)
		return bad(m, err, "expected [SOURCE:]TARGET[:OPTIONS]");
	if (parts.len == 2 && parts.items[1][0] != '/' && parts.items[0][0] == '/') {
		target = parts.items[0]; /* an anonymous volume with options */
		options = parts.items[1];
	} else {
		target = parts.items[parts.len == 1 ? 0 : 1];
		source = parts.len == 1 ? NULL : parts.items[0];
		options = parts.len == 3 ? parts.items[2] : NULL;
	}
	m->kind = MOUNT_KIND_VOLUME;
	m->anonymous = !source;
	if (source && !*source)
		return bad(m, err, "the source is empty");
	if (source && (*source == '/' || *source == '.')) {
		m->create_source = true;
		if (set_host_source(m, source, err) < 0)
			return -1;
	} else if (source && set_volume_source(m, source, err) < 0) {
		return -1;
	}
	if (set_target(m, target, err) < 0)
		return -1;
	if (options && *options)
		strv_split(&flags, options, ',');
	for (size_t i = 0; i < flags.len; i++)
		if (volume_flag(m, flags.items[i], err) < 0)
			return -1;
	return 0;
}

/* ---- --mount ---- */

/* One line of CSV as docker reads it: fields may be quoted ("a,b"), quotes doubled inside. */
static int csv_split(const struct mount_request *m, struct strv *ret, struct err *err)
{
	const char *p = m->text;
	AUTO_BUF field = STRBUF_INIT;

	for (;;) {
		bool quoted = *p == '"';

		strbuf_reset(&field);
		if (quoted)
			p++;
		while (*p && (quoted || *p != ',')) {
			if (quoted && *p == '"') {
				if (p[1] != '"')
					break;
				p++;
			}
			strbuf_addc(&field, *p++);
		}
		if (quoted && *p++ != '"')
			return bad(m, err, "a quote is not closed");
		strv_add(ret, field.buf);
		if (!*p)
			return 0;
		if (*p++ != ',')
			return bad(m, err, "text after a closing quote");
	}
}

static const char *const kind_names[] = {
	[MOUNT_KIND_BIND] = "bind",
	[MOUNT_KIND_VOLUME] = "volume",
	[MOUNT_KIND_TMPFS] = "tmpfs",
	[MOUNT_KIND_IMAGE] = "image",
};

struct mount_key {
	struct mount_request *m;
	const char *key;
	const char *value; /* NULL: the key stood alone */
	struct err *err;
};

static int key_bool(const struct mount_key *k, bool *ret)
{
	const char *v = k->value;

	if (!v || !strcasecmp(v, "true") || !strcmp(v, "1"))
		*ret = true;
	else if (!strcasecmp(v, "false") || !strcmp(v, "0"))
		*ret = false;
	else
		return bad(k->m, k->err, "%s: '%s' is not true or false", k->key, v);
	return 0;
}

static int key_source(const struct mount_key *k)
{
	if (k->m->source)
		return bad(k->m, k->err, "the source is given twice");
	k->m->source = xstrdup(k->value);
	return 0;
}

static int key_target(const struct mount_key *k)
{
	return set_target(k->m, k->value, k->err);
}

static int key_readonly(const struct mount_key *k)
{
	if (key_bool(k, &k->m->read_only) < 0)
		return -1;
	strv_add(&k->m->options, k->m->read_only ? "ro" : "rw");
	return 0;
}

static int key_propagation(const struct mount_key *k)
{
	if (!is_propagation(k->value))
		return bad(k->m, k->err, "'%s' is no propagation", k->value);
	strv_add(&k->m->options, k->value);
	return 0;
}

static int key_nonrecursive(const struct mount_key *k)
{
	return key_bool(k, &k->m->non_recursive);
}

static int key_recursive(const struct mount_key *k)
{
	if (!strcmp(k->value, "enabled") || !strcmp(k->value, "writable"))
		return 0;
	if (!strcmp(k->value, "disabled")) {
		k->m->non_recursive = true;
		return 0;
	}
	if (!strcmp(k->value, "readonly")) {
		strv_add(&k->m->options, "rro");
		return 0;
	}
	return bad(k->m, k->err, "bind-recursive is enabled, disabled, writable or readonly");
}

static int key_create_source(const struct mount_key *k)
{
	return key_bool(k, &k->m->create_source);
}

static int key_nocopy(const struct mount_key *k)
{
	return key_bool(k, &k->m->no_copy);
}

static int key_label(const struct mount_key *k)
{
	strv_add(&k->m->labels, k->value);
	return 0;
}

static int key_driver(const struct mount_key *k)
{
	if (*k->value && strcmp(k->value, "local") != 0)
		return bad(k->m, k->err, "volume driver '%s' is not supported (only local is)",
		           k->value);
	return 0;
}

static int key_subpath(const struct mount_key *k)
{
	const char *p = k->value;

	for (; *p; p += strcspn(p, "/"), p += *p == '/')
		if (*p == '/' || (!strncmp(p, "..", 2) && (p[2] == '/' || !p[2])))
			return bad(k->m, k->err, "%s must stay inside the %s", k->key,
			           kind_names[k->m->kind]);
	free(k->m->subpath);
	k->m->subpath = xstrdup(k->value);
	return 0;
}

static int key_tmpfs_size(const struct mount_key *k)
{
	uint64_t bytes;

	if (parse_size(k->value, &bytes) < 0)
		return bad(k->m, k->err, "'%s' is not a size", k->value);
	strv_addf(&k->m->options, "size=%llu", (unsigned long long)bytes);
	return 0;
}

static int key_tmpfs_mode(const struct mount_key *k)
{
	uint32_t mode;

	if (parse_octal(k->value, &mode) < 0 || mode > 07777)
		return bad(k->m, k->err, "'%s' is not an octal mode", k->value);
	strv_addf(&k->m->options, "mode=%o", mode);
	return 0;
}

static int key_ignored(const struct mount_key *k)
{
	return 0;
}

#define KIND(k)   (1u << MOUNT_KIND_##k)
#define KIND_ALL  (KIND(BIND) | KIND(VOLUME) | KIND(TMPFS) | KIND(IMAGE))
#define KEY_ALONE (1u << 8) /* may stand without a value */

/* clang-format off */
static const struct {
	const char *name;
	unsigned flags;
	int (*apply)(const struct mount_key *k);
} mount_keys[] = {
	{ "source",             KIND(BIND) | KIND(VOLUME) | KIND(IMAGE), key_source },
	{ "src",                KIND(BIND) | KIND(VOLUME) | KIND(IMAGE), key_source },
	{ "target",             KIND_ALL, key_target },
	{ "destination",        KIND_ALL, key_target },
	{ "dst",                KIND_ALL, key_target },
	{ "readonly",           KIND_ALL | KEY_ALONE, key_readonly },
	{ "ro",                 KIND_ALL | KEY_ALONE, key_readonly },
	{ "bind-propagation",   KIND(BIND), key_propagation },
	{ "bind-nonrecursive",  KIND(BIND) | KEY_ALONE, key_nonrecursive },
	{ "bind-recursive",     KIND(BIND), key_recursive },
	{ "bind-create-src",    KIND(BIND) | KEY_ALONE, key_create_source },
	{ "volume-nocopy",      KIND(VOLUME) | KEY_ALONE, key_nocopy },
	{ "volume-label",       KIND(VOLUME), key_label },
	{ "volume-driver",      KIND(VOLUME), key_driver },
	{ "volume-subpath",     KIND(VOLUME), key_subpath },
	{ "image-subpath",      KIND(IMAGE), key_subpath },
	{ "subpath",            KIND(IMAGE) | KIND(VOLUME), key_subpath },
	{ "tmpfs-size",         KIND(TMPFS), key_tmpfs_size },
	{ "tmpfs-mode",         KIND(TMPFS), key_tmpfs_mode },
	{ "consistency",        KIND_ALL, key_ignored },
};
/* clang-format on */

/* Take "type=..." out of the fields; without it, a volume (docker's default). */
static int mount_type(struct mount_request *m, const struct strv *fields, struct err *err)
{
	m->kind = MOUNT_KIND_VOLUME;
	for (size_t i = 0; i < fields->len; i++) {
		const char *value = fields->items[i] + strlen("type=");
		size_t k = 0;

		if (strncasecmp(fields->items[i], "type=", strlen("type=")) != 0)
			continue;
		while (k < ARRAY_LEN(kind_names) && strcasecmp(value, kind_names[k]) != 0)
			k++;
		if (k == ARRAY_LEN(kind_names))
			return bad(m, err,
			           "type '%s' is not supported (bind, volume, tmpfs, image are)",
			           value);
		m->kind = (enum mount_kind)k;
	}
	return 0;
}

static int mount_field(struct mount_request *m, char *field, struct err *err)
{
	struct mount_key k = { m, field, strchr(field, '='), err };

	if (k.value)
		field[k.value++ - field] = '\0';
	if (!strcasecmp(field, "type"))
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(mount_keys); i++) {
		if (strcasecmp(field, mount_keys[i].name) != 0)
			continue;
		if (!(mount_keys[i].flags & (1u << m->kind)))
			return bad(m, err, "'%s' does not go with type=%s", field,
			           kind_names[m->kind]);
		if (!k.value && !(mount_keys[i].flags & KEY_ALONE))
			return bad(m, err, "'%s' needs a value", field);
		return mount_keys[i].apply(&k);
	}
	return bad(m, err, "unknown key '%s'", field);
}

static int parse_mount(struct mount_request *m, struct err *err)
{
	AUTO_STRV fields = STRV_INIT;
	AUTO_FREE char *source = NULL;

	if (csv_split(m, &fields, err) < 0 || mount_type(m, &fields, err) < 0)
		return -1;
	for (size_t i = 0; i < fields.len; i++)
		if (mount_field(m, fields.items[i], err) < 0)
			return -1;
	if (!m->target)
		return bad(m, err, "a target is needed");
	source = TAKE_PTR(m->source);
	if (m->kind == MOUNT_KIND_BIND) {
		if (!source || !*source)
			return bad(m, err, "type=bind needs a source");
		if (*source != '/')
			return bad(m, err, "the source must be an absolute path, not '%s'", source);
		return set_host_source(m, source, err);
	}
	if (m->kind == MOUNT_KIND_VOLUME) {
		m->anonymous = !source || !*source;
		if (m->anonymous)
			return 0;
		return set_volume_source(m, source, err);
	}
	if (m->kind == MOUNT_KIND_IMAGE) {
		if (!source || !*source)
			return bad(m, err, "type=image needs the name of an image as its source");
		if (strv_has(&m->options, "rw"))
			return bad(m, err, "an image can be mounted read-only only");
		m->source = TAKE_PTR(source);
		m->read_only = true;
	}
	return 0;
}

/* ---- --tmpfs ---- */

static const char *const tmpfs_flags[] = {
	"ro",       "rw",         "exec",        "noexec",        "suid",    "nosuid",
	"dev",      "nodev",      "sync",        "async",         "noatime", "atime",
	"relatime", "norelatime", "strictatime", "nostrictatime", "dirsync",
};
static const char *const tmpfs_values[] = {
	"size=", "mode=", "uid=", "gid=", "nr_inodes=", "nr_blocks=", "mpol=", "huge=",
};

static bool is_tmpfs_option(const char *option)
{
	for (size_t i = 0; i < ARRAY_LEN(tmpfs_flags); i++)
		if (!strcmp(option, tmpfs_flags[i]))
			return true;
	for (size_t i = 0; i < ARRAY_LEN(tmpfs_values); i++) {
		size_t len = strlen(tmpfs_values[i]);

		if (!strncmp(option, tmpfs_values[i], len) && option[len])
			return true;
	}
	return false;
}

static int parse_tmpfs(struct mount_request *m, struct err *err)
{
	AUTO_FREE char *target = xstrdup(m->text);
	AUTO_STRV options = STRV_INIT;
	char *colon = strchr(target, ':');

	if (colon)
		*colon++ = '\0';
	m->kind = MOUNT_KIND_TMPFS;
	if (set_target(m, target, err) < 0)
		return -1;
	if (colon && *colon)
		strv_split(&options, colon, ',');
	for (size_t i = 0; i < options.len; i++) {
		if (!is_tmpfs_option(options.items[i]))
			return bad(m, err, "unknown option '%s'", options.items[i]);
		strv_add(&m->options, options.items[i]);
	}
	return 0;
}

/* ---- all together ---- */

static int add_all(struct mount_requests *list, const struct strv *texts, const char *option,
                   int (*parse)(struct mount_request *m, struct err *err), struct err *err)
{
	for (size_t i = 0; i < texts->len; i++) {
		struct mount_request m = { .option = option };

		m.text = xstrdup(texts->items[i]);
		VEC_PUSH(list->items, list->count, m);
		if (parse(&list->items[list->count - 1], err) < 0)
			return -1;
	}
	return 0;
}

static const struct mount_request *find_target(const struct mount_requests *list, size_t end,
                                               const char *target)
{
	for (size_t i = 0; i < end; i++)
		if (!strcmp(list->items[i].target, target))
			return &list->items[i];
	return NULL;
}

static int refuse_duplicates(const struct mount_requests *list, struct err *err)
{
	for (size_t i = 1; i < list->count; i++) {
		const struct mount_request *m = &list->items[i];
		const struct mount_request *other = find_target(list, i, m->target);

		if (other)
			return bad(m, err, "%s '%s' mounts on '%s' too", other->option, other->text,
			           m->target);
	}
	return 0;
}

static int parse_image_volume(struct mount_request *m, struct err *err)
{
	m->kind = MOUNT_KIND_VOLUME;
	m->anonymous = true;
	return set_target(m, m->text, err);
}

static int add_image_volumes(struct mount_requests *list, const struct strv *volumes,
                             struct err *err)
{
	for (size_t i = 0; i < volumes->len; i++) {
		struct mount_request m = { .option = "the image's VOLUME" };
		int r;

		m.text = xstrdup(volumes->items[i]);
		r = parse_image_volume(&m, err);
		if (r < 0 || find_target(list, list->count, m.target)) {
			request_done(&m);
			if (r < 0)
				return -1;
			continue;
		}
		VEC_PUSH(list->items, list->count, m);
	}
	return 0;
}

static int depth(const char *path)
{
	int n = 0;

	for (; *path; path++)
		n += *path == '/';
	return n;
}

/* Insertion sort: stable, and lists are short. */
static void sort_by_depth(struct mount_requests *list)
{
	for (size_t i = 1; i < list->count; i++) {
		struct mount_request m = list->items[i];
		size_t j = i;

		for (; j && depth(list->items[j - 1].target) > depth(m.target); j--)
			list->items[j] = list->items[j - 1];
		list->items[j] = m;
	}
}

int mount_requests_parse(const struct container_options *opts, const struct strv *image_volumes,
                         struct mount_requests *ret, struct err *err)
{
	AUTO_MOUNTS list = { 0 };

	if (add_all(&list, &opts->volume, "--volume", parse_volume, err) < 0 ||
	    add_all(&list, &opts->mount, "--mount", parse_mount, err) < 0 ||
	    add_all(&list, &opts->tmpfs, "--tmpfs", parse_tmpfs, err) < 0 ||
	    refuse_duplicates(&list, err) < 0)
		return -1;
	if (image_volumes && add_image_volumes(&list, image_volumes, err) < 0)
		return -1;
	sort_by_depth(&list);
	*ret = list;
	list = (struct mount_requests){ 0 };
	return 0;
}

int mount_source_check(const struct mount_request *m, struct err *err)
{
	struct stat st;

	if (stat(m->source, &st) == 0)
		return 0;
	if (errno != ENOENT || !m->create_source) {
		err_sys(err, errno, "%s '%s': source '%s'", m->option, m->text, m->source);
		return errno == ENOENT ? err_hint(err, "make it first") : -1;
	}
	if (dir_make_at(AT_FDCWD, m->source, 0755, err) < 0)
		return err_ctx(err, "%s '%s'", m->option, m->text);
	return 0;
}
