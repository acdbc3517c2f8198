/* libdhow-oci: a versioned layer over runtime/runtime.h. Everything here checks what comes from
 * outside, calls one function of the runtime, and turns its values into the header's. */
#include <dhow/oci.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "base/xalloc.h"
#include "codec/json.h"
#include "runtime/plan-steps.h"
#include "runtime/runtime.h"

#define CONFIG_MAX (16u << 20)

struct dhow_oci {
	int root_fd;
};

struct dhow_oci_bundle {
	char *path;
	struct oci_spec spec;
};

struct dhow_oci_options {
	int stdio[3];
	char *console_socket;
	unsigned preserve_fds, flags;
};

struct dhow_oci_process {
	struct runtime_container c;
	bool has_ended;
	int status;
};

struct dhow_oci_state {
	struct runtime_state st;
};

/* ---- errors ---- */

static enum dhow_oci_code code_of(enum err_code code)
{
	switch (code) {
	case E_OK:
		return DHOW_OCI_OK;
	case E_INVALID:
		return DHOW_OCI_INVALID;
	case E_NOT_FOUND:
		return DHOW_OCI_NOT_FOUND;
	case E_EXISTS:
		return DHOW_OCI_EXISTS;
	case E_STATE:
	case E_BUSY:
		return DHOW_OCI_STATE;
	case E_PERM:
	case E_AUTH:
		return DHOW_OCI_PERM;
	case E_LIMIT:
		return DHOW_OCI_LIMIT;
	case E_TIMEOUT:
		return DHOW_OCI_TIMEOUT;
	case E_UNSUPPORTED:
		return DHOW_OCI_UNSUPPORTED;
	case E_NOT_EXEC:
		return DHOW_OCI_NOT_EXEC;
	case E_NO_COMMAND:
		return DHOW_OCI_NO_COMMAND;
	case E_IO:
	case E_NETWORK:
	case E_CORRUPT:
	case E_NO_SPACE:
	case E_INTERRUPTED:
		return DHOW_OCI_IO;
	case E_INTERNAL:
	case E_CODE_MAX:
		break;
	}
	return DHOW_OCI_INTERNAL;
}

/* -1, with the error in the header's form. */
static int failed(const struct err *e, struct dhow_oci_error *err)
{
	if (!err)
		return -1;
	*err = (struct dhow_oci_error){ .code = (int)code_of(e->code), .errno_value = e->sys };
	snprintf(err->message, sizeof(err->message), "%s", e->msg);
	snprintf(err->hint, sizeof(err->hint), "%s", e->hint);
	return -1;
}

static int done(int r, const struct err *e, struct dhow_oci_error *err)
{
	return r < 0 ? failed(e, err) : 0;
}

/* A copy of a process with threads has the locks of those that are not in it. */
static int check_one_thread(struct err *e)
{
	struct stat st;

	/* two links, and one for each thread */
	if (stat("/proc/self/task", &st) == 0 && st.st_nlink > 3)
		return err_set(e, E_STATE, "the calling process has %u threads, and may have one",
		               (unsigned)st.st_nlink - 2);
	return 0;
}

int dhow_oci_api(void)
{
	return DHOW_OCI_API;
}

const char *dhow_oci_version(void)
{
	return DHOW_VERSION;
}

/* ---- where containers are kept ---- */

static char *default_root(void)
{
	const char *xdg = getenv("XDG_RUNTIME_DIR");

	if (geteuid() == 0)
		return xstrdup("/run/dhow-oci");
	return xdg && *xdg ? xasprintf("%s/dhow-oci", xdg)
	                   : xasprintf("/tmp/dhow-oci-%u", geteuid());
}

int dhow_oci_open(const char *state_root, struct dhow_oci **ret, struct dhow_oci_error *err)
{
	AUTO_FREE char *path = state_root ? xstrdup(state_root) : default_root();
	struct err e = ERR_INIT;
	AUTO_FD fd = -1;

	if (dir_make_at(AT_FDCWD, path, 0700, &e) < 0)
		return failed(&e, err);
	fd = dir_open_at(AT_FDCWD, path, &e);
	if (fd < 0)
		return failed(&e, err);
	*ret = xcalloc(1, sizeof(**ret));
	(*ret)->root_fd = TAKE_FD(fd);
	return 0;
}

void dhow_oci_free(struct dhow_oci *oci)
{
	if (!oci)
		return;
	close(oci->root_fd);
	free(oci);
}

/* ---- bundles ---- */

static int bundle_make(const char *directory, const char *what, const char *text, size_t len,
                       struct dhow_oci_bundle **ret, struct err *e)
{
	AUTO_FREE char *path = realpath(directory, NULL);
	struct dhow_oci_bundle *b;

	if (!path)
		return err_sys(e, errno, "bundle '%s'", directory);
	b = xcalloc(1, sizeof(*b));
	if (oci_spec_parse(&b->spec, what, text, len, e) < 0) {
		free(b);
		return -1;
	}
	b->path = TAKE_PTR(path);
	*ret = b;
	return 0;
}

int dhow_oci_bundle_load(const char *directory, const char *config, struct dhow_oci_bundle **ret,
                         struct dhow_oci_error *err)
{
	AUTO_FREE char *path = config ? xstrdup(config) : xasprintf("%s/config.json", directory);
	AUTO_FREE char *text = NULL;
	struct err e = ERR_INIT;
	size_t len = 0;

	if (file_read_at(AT_FDCWD, path, CONFIG_MAX, &text, &len, &e) < 0) {
		err_ctx(&e, "bundle '%s'", directory);
		return failed(&e, err);
	}
	return done(bundle_make(directory, config ? config : "config.json", text, len, ret, &e), &e,
	            err);
}

int dhow_oci_bundle_parse(const char *directory, const char *text, size_t len,
                          struct dhow_oci_bundle **ret, struct dhow_oci_error *err)
{
	struct err e = ERR_INIT;

	return done(bundle_make(directory, "config.json", text, len, ret, &e), &e, err);
}

const char *dhow_oci_bundle_warning(const struct dhow_oci_bundle *bundle, size_t index)
{
	return index < bundle->spec.warnings.len ? bundle->spec.warnings.items[index] : NULL;
}

void dhow_oci_bundle_free(struct dhow_oci_bundle *bundle)
{
	if (!bundle)
		return;
	oci_spec_done(&bundle->spec);
	free(bundle->path);
	free(bundle);
}

/* ---- options ---- */

static const struct dhow_oci_options default_options = { .stdio = { 0, 1, 2 } };

struct dhow_oci_options *dhow_oci_options_new(void)
{
	return xmemdup(&default_options, sizeof(default_options));
}

void dhow_oci_options_set_stdio(struct dhow_oci_options *o, int in, int out, int error)
{
	o->stdio[0] = in;
	o->stdio[1] = out;
	o->stdio[2] = error;
}

void dhow_oci_options_set_console_socket(struct dhow_oci_options *o, const char *path)
{
	free(o->console_socket);
	o->console_socket = xstrdup_null(path);
}

void dhow_oci_options_set_preserve_fds(struct dhow_oci_options *o, unsigned count)
{
	o->preserve_fds = count;
}

void dhow_oci_options_set_flags(struct dhow_oci_options *o, unsigned flags)
{
	o->flags = flags;
}

void dhow_oci_options_free(struct dhow_oci_options *o)
{
	if (!o)
		return;
	free(o->console_socket);
	free(o);
}

static int check_flags(unsigned flags, unsigned allowed, struct err *e)
{
	return flags & ~allowed
	               ? err_set(e, E_INVALID, "flags: 0x%x is not known here", flags & ~allowed)
	               : 0;
}

/* ---- processes ---- */

static struct dhow_oci_process *process_new(const struct runtime_container *c)
{
	struct dhow_oci_process *p = xcalloc(1, sizeof(*p));

	p->c = *c;
	return p;
}

pid_t dhow_oci_process_pid(const struct dhow_oci_process *p)
{
	return p->c.pid;
}

int dhow_oci_process_pidfd(const struct dhow_oci_process *p)
{
	return p->c.pidfd;
}

int dhow_oci_process_console(const struct dhow_oci_process *p)
{
	return p->c.console_fd;
}

int dhow_oci_process_wait(struct dhow_oci_process *p, int timeout_ms, int *ret_status,
                          struct dhow_oci_error *err)
{
	struct pollfd pfd = { .fd = p->c.pidfd, .events = POLLIN };
	struct err e = ERR_INIT;
	int r;

	if (!p->has_ended) {
		r = poll(&pfd, 1, timeout_ms);
		if (r <= 0) {
			if (r < 0)
				err_sys(&e, errno, "wait for process %d", p->c.pid);
			else
				err_set(&e, E_TIMEOUT, "process %d still runs", p->c.pid);
			return failed(&e, err);
		}
		while ((r = waitpid(p->c.pid, &p->status, 0)) < 0 && errno == EINTR)
			;
		if (r < 0) {
			err_sys(&e, errno, "wait for process %d", p->c.pid);
			return failed(&e, err);
		}
		p->has_ended = true;
	}
	if (ret_status)
		*ret_status = p->status;
	return 0;
}

void dhow_oci_process_free(struct dhow_oci_process *p)
{
	if (!p)
		return;
	runtime_container_done(&p->c);
	free(p);
}

/* ---- the life of a container ---- */

static struct runtime_create_args create_args(const char *id, const struct dhow_oci_bundle *bundle,
                                              const struct dhow_oci_options *o)
{
	return (struct runtime_create_args){
		.id = id,
		.spec = &bundle->spec,
		.state_root_fd = -1,
		.bundle_fd = -1,
		.bundle_path = bundle->path,
		.stdio = { o->stdio[0], o->stdio[1], o->stdio[2] },
		.console_socket = o->console_socket,
		.preserve_fds = o->preserve_fds,
		.flags = RUNTIME_SAVE_CONFIG | RUNTIME_JOIN_ALL |
		         (o->flags & DHOW_OCI_NO_PIVOT ? RUNTIME_NO_PIVOT : 0u) |
		         (o->flags & DHOW_OCI_NO_NEW_KEYRING ? RUNTIME_NO_NEW_KEYRING : 0u) |
		         (o->flags & DHOW_OCI_NO_CGROUP ? RUNTIME_NO_CGROUP : 0u),
	};
}

int dhow_oci_create(struct dhow_oci *oci, const char *id, const struct dhow_oci_bundle *bundle,
                    const struct dhow_oci_options *options, struct dhow_oci_process **ret,
                    struct dhow_oci_error *err)
{
	const struct dhow_oci_options *o = options ? options : &default_options;
	struct runtime_create_args args = create_args(id, bundle, o);
	struct runtime_container c = RUNTIME_CONTAINER_INIT;
	struct err e = ERR_INIT;

	args.state_root_fd = oci->root_fd;
	if (check_flags(o->flags, DHOW_OCI_NO_PIVOT | DHOW_OCI_NO_NEW_KEYRING | DHOW_OCI_NO_CGROUP,
	                &e) < 0 ||
	    check_one_thread(&e) < 0 || runtime_create(&args, &c, &e) < 0)
		return failed(&e, err);
	*ret = process_new(&c);
	return 0;
}

/* A call that takes a container's id and changes it. */
#define CALL(function, ...)                                                                        \
	struct err e = ERR_INIT;                                                                   \
                                                                                                   \
	return done(function(oci->root_fd, id, __VA_ARGS__ & e), &e, err)

int dhow_oci_start(struct dhow_oci *oci, const char *id, struct dhow_oci_error *err)
{
	CALL(runtime_start, -1, );
}

int dhow_oci_kill(struct dhow_oci *oci, const char *id, int signal, int all,
                  struct dhow_oci_error *err)
{
	CALL(runtime_kill, signal, all ? RUNTIME_KILL_ALL : 0, );
}

int dhow_oci_delete(struct dhow_oci *oci, const char *id, int force, struct dhow_oci_error *err)
{
	CALL(runtime_delete, force, );
}

int dhow_oci_pause(struct dhow_oci *oci, const char *id, struct dhow_oci_error *err)
{
	CALL(runtime_pause, );
}

int dhow_oci_resume(struct dhow_oci *oci, const char *id, struct dhow_oci_error *err)
{
	CALL(runtime_resume, );
}

int dhow_oci_pids(struct dhow_oci *oci, const char *id, pid_t **ret, size_t *ret_count,
                  struct dhow_oci_error *err)
{
	CALL(runtime_ps, ret, ret_count, );
}

int dhow_oci_update(struct dhow_oci *oci, const char *id, const char *resources,
                    struct dhow_oci_error *err)
{
	struct oci_resources r;
	struct err e = ERR_INIT;
	int result;

	if (oci_resources_parse(&r, "resources", resources, strlen(resources), &e) < 0)
		return failed(&e, err);
	result = runtime_update(oci->root_fd, id, &r, &e);
	oci_resources_done(&r);
	return done(result, &e, err);
}

/* The saved configuration, with the process to run in it. */
static int exec_spec(struct dhow_oci *oci, const char *id, const char *process,
                     const char *const argv[], struct oci_spec *ret, struct err *e)
{
	AUTO_FREE char *path = xasprintf("%s/config.json", id);
	AUTO_FREE char *text = NULL;
	size_t len = 0;

	if (!runtime_id_is_valid(id))
		return err_set(e, E_INVALID, "'%s' is not a container id", id);
	if (file_read_at(oci->root_fd, path, CONFIG_MAX, &text, &len, e) < 0)
		return e->sys == ENOENT
		               ? err_set(e, E_NOT_FOUND, "container '%s' does not exist", id)
		               : -1;
	if (oci_spec_parse(ret, "config.json", text, len, e) < 0)
		return -1;
	if (process) {
		oci_process_done(&ret->process);
		return oci_process_parse(&ret->process, "process", process, strlen(process), e);
	}
	if (!argv || !argv[0])
		return err_set(e, E_INVALID, "exec: neither a process nor arguments are given");
	strv_done(&ret->process.args);
	for (size_t i = 0; argv[i]; i++)
		strv_add(&ret->process.args, argv[i]);
	ret->process.terminal = false;
	return 0;
}

int dhow_oci_exec(struct dhow_oci *oci, const char *id, const char *process,
                  const char *const argv[], const struct dhow_oci_options *options,
                  struct dhow_oci_process **ret, struct dhow_oci_error *err)
{
	const struct dhow_oci_options *o = options ? options : &default_options;
	AUTO_SPEC spec;
	struct runtime_exec_args args = {
		.id = id,
		.state_root_fd = oci->root_fd,
		.process = &spec.process,
		.spec = &spec,
		.stdio = { o->stdio[0], o->stdio[1], o->stdio[2] },
		.console_socket = o->console_socket,
		.preserve_fds = o->preserve_fds,
		.ignore_paused = o->flags & DHOW_OCI_IGNORE_PAUSED,
	};
	struct runtime_container c = RUNTIME_CONTAINER_INIT;
	struct err e = ERR_INIT;

	oci_spec_init(&spec);
	if (check_flags(o->flags, DHOW_OCI_IGNORE_PAUSED, &e) < 0 || check_one_thread(&e) < 0 ||
	    exec_spec(oci, id, process, argv, &spec, &e) < 0 || runtime_exec(&args, &c, &e) < 0)
		return failed(&e, err);
	*ret = process_new(&c);
	return 0;
}

/* ---- looking ---- */

int dhow_oci_state(struct dhow_oci *oci, const char *id, struct dhow_oci_state **ret,
                   struct dhow_oci_error *err)
{
	struct runtime_state st;
	struct err e = ERR_INIT;

	if (runtime_state(oci->root_fd, id, &st, &e) < 0)
		return failed(&e, err);
	*ret = xcalloc(1, sizeof(**ret));
	(*ret)->st = st;
	return 0;
}

enum dhow_oci_status dhow_oci_state_status(const struct dhow_oci_state *s)
{
	switch (s->st.status) {
	case RUNTIME_CREATING:
		return DHOW_OCI_CREATING;
	case RUNTIME_CREATED:
		return DHOW_OCI_CREATED;
	case RUNTIME_RUNNING:
		return DHOW_OCI_RUNNING;
	case RUNTIME_PAUSED:
		return DHOW_OCI_PAUSED;
	case RUNTIME_STOPPED:
		break;
	}
	return DHOW_OCI_STOPPED;
}

pid_t dhow_oci_state_pid(const struct dhow_oci_state *s)
{
	return s->st.pid;
}

const char *dhow_oci_state_bundle(const struct dhow_oci_state *s)
{
	return s->st.bundle ? s->st.bundle : "";
}

int64_t dhow_oci_state_created(const struct dhow_oci_state *s)
{
	return s->st.created_ns;
}

const char *dhow_oci_state_annotation(const struct dhow_oci_state *s, const char *key)
{
	for (size_t i = 0; i < s->st.n_annotations; i++)
		if (strcmp(s->st.annotations[i].key, key) == 0)
			return s->st.annotations[i].value;
	return NULL;
}

char *dhow_oci_state_json(const struct dhow_oci_state *s)
{
	return runtime_state_format(&s->st, true);
}

void dhow_oci_state_free(struct dhow_oci_state *s)
{
	if (!s)
		return;
	runtime_state_done(&s->st);
	free(s);
}

int dhow_oci_list(struct dhow_oci *oci, char ***ret, struct dhow_oci_error *err)
{
	AUTO_STRV ids = STRV_INIT;
	struct err e = ERR_INIT;

	if (runtime_list(oci->root_fd, &ids, &e) < 0)
		return failed(&e, err);
	*ret = ids.items ? ids.items : xcalloc(1, sizeof(char *));
	ids = STRV_INIT;
	return 0;
}

void dhow_oci_list_free(char **ids)
{
	for (size_t i = 0; ids && ids[i]; i++)
		free(ids[i]);
	free(ids);
}

int dhow_oci_plan(const char *id, const struct dhow_oci_bundle *bundle,
                  const struct dhow_oci_options *options, char **ret, struct dhow_oci_error *err)
{
	const struct dhow_oci_options *o = options ? options : &default_options;
	struct runtime_create_args args = create_args(id, bundle, o);
	AUTO_JSON *steps = NULL;
	struct err e = ERR_INIT;

	if (runtime_create_steps(&args, &steps, &e) < 0)
		return failed(&e, err);
	*ret = xstrdup(json_text(steps, true));
	return 0;
}
