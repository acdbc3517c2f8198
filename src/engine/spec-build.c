#include "engine/spec-build.h"

int spec_build(const struct container_options *opts, const struct image_config *image,
               const struct spec_build_env *env, struct oci_spec *ret, struct err *err)
{
	return err_set(err, E_UNSUPPORTED, "spec_build");
}

int spec_finish(const struct container_options *opts, const struct image_config *image,
                const struct spec_build_env *env, int root_fd, struct oci_spec *spec,
                struct err *err)
{
	return err_set(err, E_UNSUPPORTED, "spec_finish");
}

int command_build(const struct container_options *opts, const struct image_config *image,
                  struct strv *ret, struct err *err)
{
	return err_set(err, E_UNSUPPORTED, "command_build");
}

int env_build(const struct strv *image_env, const struct strv *env_files, const struct strv *env,
              char *const *host_env, struct strv *ret, struct err *err)
{
	return err_set(err, E_UNSUPPORTED, "env_build");
}
