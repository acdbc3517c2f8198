/* Honest bodies of what is not written yet; each moves out as it lands. */
#include "engine/engine.h"

#define PENDING(name) return err_set(err, E_UNSUPPORTED, name " is not available yet")

int engine_open(const struct engine_options *opts, struct engine *ret, struct err *err)
{
	*ret = (struct engine){ .root_fd = -1, .runroot_fd = -1 };
	PENDING("the engine");
}

void engine_close(struct engine *e)
{
}

struct db *engine_db(struct engine *e, struct err *err)
{
	return e->db;
}

struct image_store *engine_images(struct engine *e, struct err *err)
{
	return e->images;
}

struct net *engine_net(struct engine *e, struct err *err)
{
	return e->net;
}

void engine_release(struct engine *e)
{
}

char *engine_program_path(const char *name, struct err *err)
{
	err_set(err, E_UNSUPPORTED, "program paths are not available yet");
	return NULL;
}

const char *container_status_name(enum container_status status)
{
	return "unknown";
}

int container_status_parse(const char *s, enum container_status *ret)
{
	return -22;
}

int container_list(struct engine *e, const struct container_list_args *args,
                   struct container_list *ret, struct err *err)
{
	PENDING("ps");
}

void container_list_done(struct container_list *list)
{
}

struct status_text container_status_text(const struct container_row *row, int64_t now_ns)
{
	return (struct status_text){ "" };
}

int container_find(struct engine *e, const char *ref, char ret_id[ID_LEN + 1], struct err *err)
{
	PENDING("find");
}

int container_get(struct engine *e, const char *ref, struct container_row *ret, struct err *err)
{
	PENDING("get");
}

void container_row_done(struct container_row *row)
{
}

int container_inspect(struct engine *e, const char *ref, bool with_size, struct json_object **ret,
                      struct err *err)
{
	PENDING("inspect");
}

int container_create(struct engine *e, const char *image, const struct container_options *opts,
                     char ret_id[ID_LEN + 1], struct err *err)
{
	PENDING("create");
}

int container_start(struct engine *e, const char *ref, const struct attach_args *attach,
                    struct start_result *ret, struct err *err)
{
	PENDING("start");
}

int container_stop(struct engine *e, const char *ref, const char *signal, int64_t timeout_s,
                   struct err *err)
{
	PENDING("stop");
}

int container_kill(struct engine *e, const char *ref, const char *signal, struct err *err)
{
	PENDING("kill");
}

int container_restart(struct engine *e, const char *ref, const char *signal, int64_t timeout_s,
                      struct err *err)
{
	PENDING("restart");
}

int container_pause(struct engine *e, const char *ref, struct err *err)
{
	PENDING("pause");
}

int container_unpause(struct engine *e, const char *ref, struct err *err)
{
	PENDING("unpause");
}

int container_rename(struct engine *e, const char *ref, const char *name, struct err *err)
{
	PENDING("rename");
}

int container_rm(struct engine *e, const char *ref, unsigned flags, struct err *err)
{
	PENDING("rm");
}

int wait_condition_parse(const char *s, enum wait_condition *ret)
{
	return -22;
}

int container_wait(struct engine *e, const char *ref, enum wait_condition condition,
                   int *ret_exit_code, struct err *err)
{
	PENDING("wait");
}

int container_attach(struct engine *e, const char *ref, const struct attach_args *args,
                     struct start_result *ret, struct err *err)
{
	PENDING("attach");
}

int container_attach_fd(struct engine *e, const char *ref, unsigned streams, int *ret_fd,
                        struct err *err)
{
	PENDING("attach");
}

int container_resize(struct engine *e, const char *ref, uint16_t rows, uint16_t cols,
                     struct err *err)
{
	PENDING("resize");
}

int container_exec(struct engine *e, const char *ref, const struct exec_args *args,
                   int *ret_exit_code, struct err *err)
{
	PENDING("exec");
}

int container_after_exit(struct engine *e, const char *id, struct err *err)
{
	PENDING("after-exit");
}

int engine_settle_all(struct engine *e, struct err *err)
{
	PENDING("settle");
}

int container_dir_open(struct engine *e, const char *id, struct err *err)
{
	PENDING("container directories");
}

int container_options_load(struct engine *e, const char *id, struct container_options *ret,
                           struct err *err)
{
	PENDING("saved options");
}

int container_pidfd(struct engine *e, const char *id, pid_t *ret_pid, int *ret_pidfd,
                    struct err *err)
{
	PENDING("pidfd");
}

int container_mount(struct engine *e, const char *id, int *ret_mount_fd, struct err *err)
{
	PENDING("mount");
}

void event_done(struct event *ev)
{
}

int event_add(struct engine *e, const char *type, const char *action, const char *actor,
              struct json_object *attributes, struct err *err)
{
	PENDING("events");
}

int event_each(struct engine *e, int64_t after_id, int (*fn)(void *ctx, const struct event *ev),
               void *ctx, struct err *err)
{
	PENDING("events");
}
