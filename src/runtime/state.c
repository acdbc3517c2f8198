/* The state of a container: written once, read and checked against the kernel ever after. */
#include "runtime/internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/xalloc.h"
#include "codec/json.h"
#include "sys/pidfd.h"

#define ID_FIRST     "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+-"
#define STATE_FORMAT 1

bool runtime_id_is_valid(const char *id)
{
	size_t len = strlen(id);

	return len > 0 && len <= 255 && strchr(ID_FIRST, id[0]) && strspn(id, ID_FIRST ".") == len;
}

const char *runtime_status_name(enum runtime_status s)
{
	static const char *const names[] = {
		[RUNTIME_CREATING] = "creating", [RUNTIME_CREATED] = "created",
		[RUNTIME_RUNNING] = "running",   [RUNTIME_PAUSED] = "paused",
		[RUNTIME_STOPPED] = "stopped",
	};

	return names[s];
}

int state_dir_open(int state_root_fd, const char *id, struct err *err)
{
	int fd;

	if (!runtime_id_is_valid(id))
		return err_set(err, E_INVALID, "'%s' is not a container id", id);
	fd = openat(state_root_fd, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0)
		return fd;
	if (errno == ENOENT)
		return err_set(err, E_NOT_FOUND, "container '%s' does not exist", id);
	return err_sys(err, errno, "open the state of container '%s'", id);
}

static void add_hooks(struct json_object *obj, const char *key, const struct oci_hooks *hooks)
{
	struct json_object *list;

	if (!hooks->count)
		return;
	list = json_add_array(obj, key);
	for (size_t i = 0; i < hooks->count; i++) {
		const struct oci_hook *h = &hooks->items[i];
		struct json_object *item = json_object_new_object();

		json_add_str(item, "path", h->path);
		json_add_strv(item, "args", &h->args);
		json_add_strv(item, "env", &h->env);
		if (h->timeout_s != OCI_UNSET)
			json_add_i64(item, "timeout", h->timeout_s);
		json_object_array_add(list, item);
	}
}

static int get_hooks(const struct json *at, const char *key, struct oci_hooks *ret, struct err *err)
{
	struct json list;
	bool present = false;

	if (json_get_array(at, key, &list, &present, err) < 0)
		return -1;
	for (size_t i = 0; present && i < json_len(&list); i++) {
		struct json item = json_item(&list, i);
		const char *path = NULL;
		struct oci_hook *h;

		VEC_PUSH(ret->items, ret->count, (struct oci_hook){ .timeout_s = OCI_UNSET });
		h = &ret->items[i];
		if (json_expect(&item, json_type_object, err) < 0 ||
		    json_get_str(&item, "path", &path, err) < 0)
			return -1;
		h->path = xstrdup(path ? path : "");
		if (json_get_strv(&item, "args", &h->args, err) < 0 ||
		    json_get_strv(&item, "env", &h->env, err) < 0 ||
		    json_get_i64(&item, "timeout", &h->timeout_s, err) < 0)
			return -1;
	}
	return 0;
}

static void add_annotations(struct json_object *obj, const struct oci_keyval *items, size_t n)
{
	struct json_object *map;

	if (!n)
		return;
	map = json_add_object(obj, "annotations");
	for (size_t i = 0; i < n; i++)
		json_add_str(map, items[i].key, items[i].value);
}

char *bundle_path(const struct runtime_create_args *args, const char *path)
{
	if (path[0] == '/' || !args->bundle_path)
		return xstrdup(path);
	return xasprintf("%s/%s", args->bundle_path, path);
}

int state_write(const struct runtime_sandbox *s, struct err *err)
{
	AUTO_JSON *obj = json_object_new_object();
	AUTO_FREE char *rootfs =
		s->spec->root_path ? bundle_path(s->args, s->spec->root_path) : NULL;
	const char *text;
	uint64_t ticks;
	int r = process_start_time(s->pid, &ticks);

	if (r < 0)
		return err_sys(err, -r, "look at the container's first process");
	json_add_i64(obj, "format", STATE_FORMAT);
	json_add_str(obj, "id", s->args->id);
	json_add_i64(obj, "pid", s->pid);
	json_add_u64(obj, "startTicks", ticks);
	json_add_str(obj, "bundle", s->args->bundle_path);
	json_add_str(obj, "rootfs", rootfs);
	json_add_i64(obj, "createdNs", clock_realtime_ns());
	json_add_u64(obj, "owner", geteuid());
	if (s->cgroup.joined) {
		json_add_str(obj, "cgroup", s->cgroup.path);
		json_add_u64(obj, "cgroupJoined", s->cgroup.joined);
		json_add_u64(obj, "cgroupMade", s->cgroup.made);
	}
	if (s->scope.unit) {
		json_add_str(obj, "systemdUnit", s->scope.unit);
		json_add_bool(obj, "systemdUser", s->scope.user);
	}
	if (s->rdt.group) {
		json_add_str(obj, "rdtGroup", s->rdt.group);
		json_add_bool(obj, "rdtMade", s->rdt.made);
		json_add_bool(obj, "rdtMonitored", s->rdt.monitored);
	}
	json_add_bool(obj, "terminal", s->spec->process.terminal);
	json_add_u64(obj, "namespaces", s->plan.exec_flags);
	if (s->plan.shares_mounts)
		json_add_bool(obj, "sharesMounts", true);
	add_annotations(obj, s->spec->annotations, s->spec->n_annotations);
	add_hooks(obj, "poststart", &s->spec->hooks[OCI_HOOK_POSTSTART]);
	add_hooks(obj, "poststop", &s->spec->hooks[OCI_HOOK_POSTSTOP]);
	text = json_text(obj, false);
	return file_write_atomic_at(s->state_dir_fd, "state.json", text, strlen(text), 0600, 0,
	                            err);
}

static char *format_spec_state(const char *id, enum runtime_status status, pid_t pid,
                               const char *bundle, const char *rootfs, int64_t created_ns,
                               const struct oci_keyval *annotations, size_t n_annotations,
                               bool pretty)
{
	AUTO_JSON *obj = json_object_new_object();

	json_add_str(obj, "ociVersion", OCI_VERSION);
	json_add_str(obj, "id", id);
	json_add_str(obj, "status", runtime_status_name(status));
	/* 0 when stopped, as runc has it: engines look the key up without a check. */
	json_add_i64(obj, "pid", pid);
	json_add_str(obj, "bundle", bundle ? bundle : "");
	if (rootfs)
		json_add_str(obj, "rootfs", rootfs);
	if (created_ns)
		json_add_str(obj, "created", time_format(created_ns).s);
	add_annotations(obj, annotations, n_annotations);
	return xstrdup(json_text(obj, pretty));
}

char *state_format_creating(const struct runtime_sandbox *s, enum runtime_status status, pid_t pid)
{
	return format_spec_state(s->args->id, status, pid, s->args->bundle_path, NULL, 0,
	                         s->spec->annotations, s->spec->n_annotations, false);
}

char *runtime_state_format(const struct runtime_state *s, bool pretty)
{
	return format_spec_state(s->id, s->status, s->pid, s->bundle, s->rootfs, s->created_ns,
	                         s->annotations, s->n_annotations, pretty);
}

void runtime_state_done(struct runtime_state *s)
{
	struct oci_spec holder;

	free(s->id);
	free(s->bundle);
	free(s->rootfs);
	free(s->cgroup_path);
	free(s->systemd_unit);
	rdt_done(&s->rdt);
	/* Lists of the specification are freed by a spec that owns them. */
	oci_spec_init(&holder);
	holder.annotations = s->annotations;
	holder.n_annotations = s->n_annotations;
	holder.hooks[OCI_HOOK_POSTSTART] = s->poststart;
	holder.hooks[OCI_HOOK_POSTSTOP] = s->poststop;
	oci_spec_done(&holder);
	*s = (struct runtime_state){ 0 };
}

static int get_copy(const struct json *at, const char *key, char **ret, struct err *err)
{
	const char *v = NULL;

	if (json_get_str(at, key, &v, err) < 0)
		return -1;
	*ret = xstrdup_null(v);
	return 0;
}

static int get_annotations(const struct json *at, struct runtime_state *s, struct err *err)
{
	struct json map;
	bool present = false;

	if (json_get_object(at, "annotations", &map, &present, err) < 0)
		return -1;
	if (!present)
		return 0;
	json_object_object_foreach(map.obj, key, unused)
	{
		const char *value = NULL;

		(void)unused;
		if (json_get_str(&map, key, &value, err) < 0)
			return -1;
		VEC_PUSH(s->annotations, s->n_annotations,
		         (struct oci_keyval){ xstrdup(key), xstrdup(value ? value : "") });
	}
	return 0;
}

static int parse_state(const struct json *at, struct runtime_state *s, struct err *err)
{
	int64_t format = 0, pid = 0;
	uint64_t owner = 0;
	uint32_t joined = 0, made = 0;

	if (json_expect(at, json_type_object, err) < 0 ||
	    json_get_i64(at, "format", &format, err) < 0)
		return -1;
	if (format != STATE_FORMAT)
		return err_set(err, E_UNSUPPORTED,
		               "state.json: format %lld is not known to this version of dhow",
		               (long long)format);
	if (get_copy(at, "id", &s->id, err) < 0 || json_get_i64(at, "pid", &pid, err) < 0 ||
	    json_get_u64(at, "startTicks", &s->start_ticks, err) < 0 ||
	    get_copy(at, "bundle", &s->bundle, err) < 0 ||
	    get_copy(at, "rootfs", &s->rootfs, err) < 0 ||
	    json_get_i64(at, "createdNs", &s->created_ns, err) < 0 ||
	    json_get_u64(at, "owner", &owner, err) < 0 ||
	    get_copy(at, "cgroup", &s->cgroup_path, err) < 0 ||
	    json_get_u32(at, "cgroupJoined", &joined, err) < 0 ||
	    json_get_u32(at, "cgroupMade", &made, err) < 0 ||
	    get_copy(at, "systemdUnit", &s->systemd_unit, err) < 0 ||
	    json_get_bool(at, "systemdUser", &s->systemd_user, err) < 0 ||
	    get_copy(at, "rdtGroup", &s->rdt.group, err) < 0 ||
	    json_get_bool(at, "rdtMade", &s->rdt.made, err) < 0 ||
	    json_get_bool(at, "rdtMonitored", &s->rdt.monitored, err) < 0 ||
	    json_get_bool(at, "terminal", &s->has_terminal, err) < 0 ||
	    json_get_u32(at, "namespaces", &s->namespaces, err) < 0 ||
	    json_get_bool(at, "sharesMounts", &s->shares_mounts, err) < 0 ||
	    get_hooks(at, "poststart", &s->poststart, err) < 0 ||
	    get_hooks(at, "poststop", &s->poststop, err) < 0)
		return -1;
	if (pid <= 0 || pid > INT_MAX)
		return err_set(err, E_CORRUPT, "state.json: pid %lld", (long long)pid);
	s->pid = (pid_t)pid;
	s->owner = (uid_t)owner;
	s->cgroup_joined = joined;
	s->cgroup_made = made;
	return get_annotations(at, s, err);
}

int runtime_cgroup(const struct runtime_state *s, struct cgroup *ret, struct err *err)
{
	*ret = CGROUP_INIT;
	if (!s->cgroup_path)
		return 0;
	return cgroup_open(ret, s->cgroup_path, s->cgroup_joined, err);
}

/* What the kernel says about it. */
static void probe(int dir_fd, struct runtime_state *s)
{
	AUTO_FD pidfd = pidfd_open_exact(s->pid, s->start_ticks);
	AUTO_CGROUP cg = CGROUP_INIT;

	if (pidfd < 0) {
		s->status = RUNTIME_STOPPED;
		s->pid = 0;
		return;
	}
	s->status = faccessat(dir_fd, "start", F_OK, 0) == 0 ? RUNTIME_CREATED : RUNTIME_RUNNING;
	if (runtime_cgroup(s, &cg, ERR_IGNORE) == 0 && cg.joined && cgroup_is_frozen(&cg))
		s->status = RUNTIME_PAUSED;
}

int state_parse(const char *text, size_t len, struct runtime_state *ret, struct err *err)
{
	AUTO_JSON *obj = NULL;
	struct json root;

	*ret = (struct runtime_state){ 0 };
	if (json_parse("state.json", text, len, &obj, err) < 0)
		return -1;
	root = json_root(obj, "state.json");
	if (parse_state(&root, ret, err) == 0)
		return 0;
	runtime_state_done(ret);
	return -1;
}

int runtime_state(int state_root_fd, const char *id, struct runtime_state *ret, struct err *err)
{
	AUTO_FD dir = state_dir_open(state_root_fd, id, err);
	AUTO_FREE char *text = NULL;
	size_t len = 0;

	*ret = (struct runtime_state){ 0 };
	if (dir < 0)
		return -1;
	if (file_read_at(dir, "state.json", 1u << 20, &text, &len, err) < 0) {
		if (err->sys == ENOENT)
			return err_set(err, E_NOT_FOUND, "container '%s' does not exist", id);
		return err_ctx(err, "container '%s'", id);
	}
	if (state_parse(text, len, ret, err) < 0)
		return err_ctx(err, "container '%s'", id);
	probe(dir, ret);
	return 0;
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

int runtime_list(int state_root_fd, struct strv *ret_ids, struct err *err)
{
	int fd = openat(state_root_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (!dir) {
		err_sys(err, errno, "list containers");
		if (fd >= 0)
			close(fd);
		return -1;
	}
	while ((e = readdir(dir))) {
		AUTO_FREE char *path = xasprintf("%s/state.json", e->d_name);

		if (runtime_id_is_valid(e->d_name) && faccessat(fd, path, F_OK, 0) == 0)
			strv_add(ret_ids, e->d_name);
	}
	closedir(dir);
	if (ret_ids->len)
		qsort(ret_ids->items, ret_ids->len, sizeof(char *), compare);
	return 0;
}
