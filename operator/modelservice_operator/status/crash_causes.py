"""Known log lines and exit codes of model servers: the cause, and the field of the spec to change.

Texts are templates (string.Template). `$path` is a path in the log line; `$mount`, `$access`, `$missing`, `$user`,
`$port` and `$model_path` are built from it and from the spec (see `crashes`).
"""

from typing import NamedTuple


class CrashCause(NamedTuple):
    """One kind of crash."""

    pattern: str
    """Regular expression of a log line, without case."""
    cause: str
    advice: str


_SHARED_MEMORY_CAUSE = "The shared memory of the container is full: /dev/shm holds 64 MiB by default."
_SHARED_MEMORY_ADVICE = (
    "Add to mounts: {name: shm, mountPath: /dev/shm, emptyDir: {medium: Memory, sizeLimit: 2Gi}}; it counts towards"
    " the memory limit."
)
_CPU_CAUSE = "The image needs CPU instructions, such as AVX, that the CPU of the node does not have."
_CPU_ADVICE = "Use an image that is built for this CPU, or set nodeSelector to nodes with a newer one."
_VERSION_ADVICE = "Install the version that the model was trained with in the image, or save the model with this one."

_FILES = (
    CrashCause(
        r"operation not permitted|\bEPERM\b|must be (?:run|started) as root|effective uid is not 0|are you root",
        "The program needs root or a capability, often to switch to another user; it runs as $user, without"
        " capabilities.",
        "Set command to the server that the image starts in the end, and runAsUser to the user of that server.",
    ),
    CrashCause(
        r"(?:/dev/shm|shared memory|shm\w*|psm_\w+).*no space left|no space left.*(?:/dev/shm|shared memory)"
        r"|out of shared memory|unable to mmap|\bbus error|\bSIGBUS\b|shm_open|/torch_\d+.*cannot allocate memory"
        r"|creating shared memory segment|unable to (?:create|open) shared memory",
        _SHARED_MEMORY_CAUSE,
        _SHARED_MEMORY_ADVICE,
    ),
    CrashCause(
        r"no usable temporary directory",
        "The server finds no directory for temporary files that it may write to.",
        "Add to env: {name: TMPDIR, value: /tmp}.",
    ),
    CrashCause(
        r"wgunicorn-|heartbeat file",
        "The workers of gunicorn cannot write their heartbeat files.",
        "Set --worker-tmp-dir=/tmp in args.",
    ),
    CrashCause(
        r"cannot cache function .* no locator available",
        "Numba cannot write its cache next to the code: the root file system is read-only by default.",
        "Add to env: {name: NUMBA_CACHE_DIR, value: /tmp/numba}.",
    ),
    CrashCause(
        r"unable to open database file|readonly database",
        "SQLite writes next to its database file, and the root file system is read-only by default.",
        "Keep the file in a directory of mounts: {name: data, mountPath: DIRECTORY, emptyDir: {}}, or set"
        " writableRootFilesystem: true and runAsUser to the owner of the file.",
    ),
    CrashCause(
        r"read-?only file ?system|\bEROFS\b|\bErrno 30\b",
        "The server writes to $path.",
        "$mount",
    ),
    CrashCause(
        r"no space left on device|\bENOSPC\b|\bErrno 28\b|disk quota exceeded",
        "The disk of the node or a volume is full.",
        "Raise the sizeLimit of the volume, or set resources.requests.ephemeral-storage so that a node with free disk"
        " is selected.",
    ),
    CrashCause(
        r"(?:bind|listen)\w*\b.*(?:permission denied|\bEACCES\b)|\bEACCES\b.*(?:bind|listen)"
        r"|permission denied.*(?:0\.0\.0\.0|\[::\])",
        "The server listens on a port below 1024 that is also below containerPort ($port).",
        "Set containerPort to the port of the server: ports from containerPort on are then allowed.",
    ),
    CrashCause(
        r"exec[ :].*permission denied",
        "$path is not executable for $user.",
        "Make the file executable for all users in the image, or set runAsUser to its owner.",
    ),
    CrashCause(
        r"permission denied|\bEACCES\b|\bErrno 13\b|nio\.file\.AccessDeniedException",
        "The container runs as $user, who may not access $path.",
        "$access",
    ),
    CrashCause(
        r"getpwuid|uid not found|I have no name|cannot find name for user|no matching entries in passwd"
        r"|unknown user|user: unknown",
        "The container runs as $user, who is not in /etc/passwd of the image.",
        "Set runAsUser to a user of the image.",
    ),
    CrashCause(
        r"\bHOME\b.* not (?:set|defined)|(?:could not|cannot|can't) determine home|no home directory",
        "The server needs a home directory.",
        "Add to env: {name: HOME, value: /tmp}.",
    ),
)
_MACHINES = (
    CrashCause(
        r"exec format error",
        "The program is built for another CPU architecture than that of the node.",
        "Build the image for the architecture of the nodes, or set nodeSelector: {kubernetes.io/arch: ARCHITECTURE}.",
    ),
    CrashCause(
        r"illegal instruction|\bSIGILL\b|compiled to use .* instructions|requires .*\bAVX",
        _CPU_CAUSE,
        _CPU_ADVICE,
    ),
    CrashCause(
        r"libcuda\.so|libnvidia-ml\.so|NVML.*not found",
        "The NVIDIA driver is not in the container.",
        "Set resources.limits: {nvidia.com/gpu: 1}, and runtimeClassName: nvidia if the cluster has this class; if the"
        " driver is mounted elsewhere, add LD_LIBRARY_PATH with its directory to env.",
    ),
    CrashCause(
        r"libGL\.so|libgthread|libSM\.so|libXext",
        "OpenCV needs a graphics library that is not in the image.",
        "Install libgl1 and libglib2.0-0 in the image, or use opencv-python-headless.",
    ),
    CrashCause(
        r"GLIBC(?:XX)?_\S+ not found",
        "The program was built for a newer C library than that of the image.",
        "Use a newer base image, or build the program for this one.",
    ),
    CrashCause(
        r"loading shared libraries|cannot open shared object file|undefined symbol",
        "A shared library is not in the image, or does not match the program.",
        "Install it in the image, or add LD_LIBRARY_PATH with its directory to env.",
    ),
    CrashCause(
        r"driver on your system is too old|driver version is insufficient|cudaErrorInsufficientDriver"
        r"|unsupported display driver",
        "The NVIDIA driver of the node is too old for the CUDA version of the image.",
        "Use an image with an older CUDA version, or set nodeSelector to nodes with a newer driver.",
    ),
    CrashCause(
        r"compute capability of at least",
        "The GPU of the node is too old for this data type.",
        "Set another type in args (vLLM: --dtype=half), or set nodeSelector to nodes with a newer GPU.",
    ),
    CrashCause(
        r"no kernel image is available|is not compatible with the current PyTorch|\bsm_\d+ is not",
        "The CUDA code of the image is not built for the GPU of the node.",
        "Use an image that is built for this GPU, or set nodeSelector to nodes with another one.",
    ),
    CrashCause(
        r"CUDA.*out of memory|out of memory.*CUDA|CUBLAS_STATUS_ALLOC_FAILED|failed to allocate .* on device GPU"
        r"|free memory on device .* less than desired|RESOURCE_EXHAUSTED.*memory|OOM when allocating tensor",
        "The model needs more GPU memory than is free.",
        "Lower batch size, context length or precision in args, raise the number of GPUs in resources.limits, or set"
        " nodeSelector to nodes with a larger GPU.",
    ),
    CrashCause(
        r"no CUDA-capable device|no CUDA GPUs are available|Found no NVIDIA driver|CUDA_ERROR_NO_DEVICE"
        r"|failed to infer device type|no NVIDIA GPU|invalid device ordinal|required GPUs exceeds"
        r"|number of available GPUs",
        "The container has no GPU, or fewer than the server uses.",
        "Set resources.limits: {nvidia.com/gpu: 1} or more, and runtimeClassName: nvidia if the cluster has this"
        " class.",
    ),
    CrashCause(
        r"\bNCCL\b.*(?:error|fail)|ncclSystemError|ncclInternalError",
        "The GPUs of the container cannot exchange data, often because /dev/shm holds only 64 MiB by default.",
        _SHARED_MEMORY_ADVICE,
    ),
    CrashCause(
        r"java\.lang\.OutOfMemoryError|java heap space|reserve enough space for object heap"
        r"|insufficient memory for the Java",
        "The Java heap is too small for the server.",
        "Raise resources.limits.memory, or add to env: {name: JAVA_TOOL_OPTIONS, value: -XX:MaxRAMPercentage=75}.",
    ),
    CrashCause(
        r"std::bad_alloc|\bMemoryError\b|can't allocate memory|cannot allocate memory|unable to allocate \S+ [KMGT]iB"
        r"|perhaps out of memory|memory allocation of \d+ bytes failed|line \d+:\s+\d+ Killed\b|heap out of memory"
        r"|runtime: out of memory",
        "The server needs more memory than it is allowed.",
        "Raise resources.limits.memory and resources.requests.memory.",
    ),
    CrashCause(
        r"can't start new thread|pthread_create|unable to create native thread|resource temporarily unavailable",
        "The container has reached its limit of processes and threads.",
        "Start fewer workers in args, or add to env: {name: OMP_NUM_THREADS, value: '1'}.",
    ),
    CrashCause(
        r"too many open files",
        "The server has reached its limit of open files.",
        "Start fewer workers in args.",
    ),
)
_NETWORK = (
    CrashCause(
        r"address (?:is )?already in use|EADDRINUSE|\bErrno 98\b|port \d+ is (?:already )?in use",
        "Another process of the pod listens on the port.",
        "Set another port in args and in containerPort, or start the server only once.",
    ),
    CrashCause(
        r"cannot assign requested address|EADDRNOTAVAIL|\bErrno 99\b",
        "The server listens on an address that the pod does not have.",
        "Set its address to 0.0.0.0 in args or env.",
    ),
    CrashCause(
        r"gated repo|access to model .* is restricted|be authenticated to access|\b40[13] Client Error"
        r"|invalid user token|invalid username or password|Repository Not Found for url"
        r"|LocalTokenNotFound|no token found",
        "The model hub does not allow this download: the repository is private or gated.",
        "Accept its terms, and add to env: {name: HF_TOKEN, valueFrom: {secretKeyRef: {name: SECRET, key: KEY}}}.",
    ),
    CrashCause(
        r"NoCredentialsError|unable to locate credentials|DefaultCredentialsError|could not find default credentials"
        r"|\(AccessDenied\)|AccessDeniedException|\bPermissionDenied\b|PERMISSION_DENIED|InvalidAccessKeyId",
        "The server has no credentials for a store or a service, or they do not allow the request.",
        "Set model.uri and model.credentials so that the loader downloads the model, or set serviceAccountName or env.",
    ),
    CrashCause(
        r"CERTIFICATE_VERIFY_FAILED|certificate verify failed|unable to get local issuer|unknown authority",
        "The server does not trust the certificate of a host that it connects to.",
        "Mount the CA with mounts, and add SSL_CERT_FILE and REQUESTS_CA_BUNDLE with its path to env.",
    ),
    CrashCause(
        r"name resolution|name or service not known|could(?:n't| not) (?:connect to|reach) .*huggingface"
        r"|network is unreachable|ConnectTimeout|Max retries exceeded|no such host",
        "The server cannot connect to a host that it needs to start, often for a download.",
        "Set model.uri so that the loader downloads the model, add HTTPS_PROXY to env, or allow the connection.",
    ),
)
_MODELS = (
    CrashCause(
        r"invalid load key|HeaderTooLarge|InvalidHeader|file (?:is )?not in .* format|invalid magic"
        r"|protobuf parsing failed|not a valid zip archive|PytorchStreamReader failed|file signature not found"
        r"|file format not supported",
        "The model file is damaged or not a model, such as a Git LFS pointer or an HTML page.",
        "Upload the file itself, and set model.sha256 to its digest.",
    ),
    CrashCause(
        r"InconsistentVersionWarning|when using version \S+|incompatible with this version|incompatible dtype"
        r"|can't get attribute .* on <module|unsupported pickle protocol|No module named '(?:sklearn|numpy)\._?\w+"
        r"|node array from the pickle|version of scikit-learn|could not deserialize|unknown layer",
        "The model was saved with another version of its library than the one in the image.",
        _VERSION_ADVICE,
    ),
    CrashCause(
        r"dtype size changed|numpy\.core\.multiarray failed|_ARRAY_API not found|compiled using NumPy 1"
        r"|binary incompatibility",
        "A library of the image was built for another version of NumPy.",
        "Install versions that match in the image, such as numpy<2.",
    ),
    CrashCause(
        r"unsupported model IR version|max supported IR version|support.*\bopset|\bopset.*support"
        r"|is not a registered function/op",
        "The ONNX model is newer than the ONNX Runtime of the image.",
        "Use an image with a newer runtime, or export the model with an older opset.",
    ),
    CrashCause(
        r"no version is available|at least one version must be available|failed to stat .*model"
        r"|config\.pbtxt.*(?:no such|not|fail)|(?:fail|unable).*config\.pbtxt"
        r"|(?:unable|failed) to (?:find|open|access) .*model repository|model repository.*(?:not|fail)",
        "Triton does not find the model in its repository.",
        "Set --model-repository=$model_path in args, and arrange the model as NAME/1/model.onnx with"
        " NAME/config.pbtxt.",
    ),
    CrashCause(
        r"no versions of servable|base path .* for servable",
        "TensorFlow Serving finds no version of the model.",
        "Set --model_base_path=$model_path in args, and store the model in a directory with a number, such as 1/.",
    ),
    CrashCause(
        r"could not find an \"?MLmodel|no such artifact",
        "MLflow finds no MLmodel file.",
        "Set model.uri to the directory with the file MLmodel, and --model-uri=$model_path in args.",
    ),
    CrashCause(
        r"model archive.*(?:not|fail|missing)|ModelNotFoundException|Model not found at|\.mar\b.*not found",
        "TorchServe does not find the model archive.",
        "Set --model-store=$model_path in args, and --models to the name of the .mar file.",
    ),
    CrashCause(
        r"no available memory for the cache blocks",
        "After loading the model, vLLM has no GPU memory for its cache.",
        "Raise --gpu-memory-utilization or lower --max-model-len in args, or raise the number of GPUs in"
        " resources.limits.",
    ),
    CrashCause(
        r"max seq(?:uence)?[ _]len\w* .*larger|max_model_len .* is greater",
        "The context length of the model needs more GPU memory than is free.",
        "Lower --max-model-len in args, or raise --gpu-memory-utilization.",
    ),
    CrashCause(
        r"is not a valid model identifier|can't load the configuration of|does not appear to have a file named",
        "The server does not find the model, neither locally nor on the model hub.",
        "Correct the name in args; a model of model.uri is at $model_path.",
    ),
    CrashCause(
        r"no such file or directory|FileNotFoundError|NoSuchFile|NO_SUCHFILE|\bENOENT\b"
        r"|/\S+ (?:does not exist|(?:was |is )?not found)",
        "$path does not exist in the container.",
        "$missing",
    ),
)
_PROGRAMS = (
    CrashCause(
        r"Error loading ASGI app|failed to find attribute|failed to parse .* as an attribute name"
        r"|could not import (?:module )?['\"]\w",
        "The server cannot import the application that args name.",
        "Set the MODULE:NAME of the application in args, and workingDir to the directory that contains the module.",
    ),
    CrashCause(
        r"ModuleNotFoundError|No module named|ImportError|cannot find module|ClassNotFoundException"
        r"|NoClassDefFoundError",
        "The program imports a module that is not in the image.",
        "Install it in the image; for a module of the application, set workingDir or PYTHONPATH in env.",
    ),
    CrashCause(
        r"UnsupportedClassVersionError",
        "The program was compiled for a newer Java version than that of the image.",
        "Use an image with a newer Java runtime.",
    ),
    CrashCause(
        r"WORKER TIMEOUT",
        "A worker did not respond in time, usually because it was loading the model.",
        "Raise --timeout of gunicorn in args, and probes.startup to match.",
    ),
    CrashCause(
        r"(?:pyenv|conda|virtualenv)\b[^/]* not (?:found|available|installed)|could not find the (?:pyenv|conda)",
        "The server tries to create a Python environment when it starts.",
        "Set --env-manager=local in args, and install the dependencies in the image.",
    ),
    CrashCause(
        r"unrecognized arguments|unknown (?:flag|option|argument)|unrecognized option|invalid option|no such option"
        r"|unexpected argument|flag provided but not defined|the following arguments are required",
        "The server does not accept its arguments.",
        "Correct args; if the image needs the command of its ENTRYPOINT, remove command.",
    ),
)
CRASH_CAUSES = (*_FILES, *_MACHINES, *_NETWORK, *_MODELS, *_PROGRAMS)
"""Causes of crashes. For one log line, the first match applies."""

CRASH_SUMMARIES = (
    CrashCause(
        r"engine core initialization failed|EngineCore failed to start|shard .*failed to start|ShardCannotStart",
        "The engine of the server failed to start, and its error is earlier in the log.",
        "Search the log for the first error.",
    ),
    CrashCause(
        r"failed to load (?:all )?models?\b|error loading model|servable\(s\) did not become available"
        r"|load model failed|failed to load .*model",
        "The server cannot load the model.",
        "Check that the format of the model matches the server; a model of model.uri is at $model_path.",
    ),
    CrashCause(
        r"worker failed to boot|worker startup time out|WorkerInitializationException|backend worker.*died",
        "A worker process failed to start, and its error is earlier in the log.",
        "Search the log for the first error; if the model loads slowly, raise the time limit of workers in args.",
    ),
)
"""Log lines that only announce an earlier error. They apply if no other line has a known cause."""

EXIT_CODE_CAUSES = {
    0: ("The server ended without an error.", "Correct command or args so that it runs in the foreground."),
    126: ("The command is not executable for $user.", "Correct command, or make the file executable in the image."),
    127: ("The command, or one that it calls, is not in the image.", "Correct command or args."),
    132: (_CPU_CAUSE, _CPU_ADVICE),
    134: (
        "The server aborted, usually after a failed assertion or allocation.",
        "If the log is about memory, raise resources.limits.memory.",
    ),
    135: (_SHARED_MEMORY_CAUSE, _SHARED_MEMORY_ADVICE),
    137: (
        "Another process or the kernel killed the server.",
        "If it uses child processes, raise resources.limits.memory: one of them may have run out of memory.",
    ),
    139: (
        "A native library crashed, often because its version does not match another library, the CPU or the GPU.",
        "Update the libraries in the image.",
    ),
    143: ("Another process stopped the server.", "Check that no other process of the image stops it."),
}
"""Cause and advice by exit code, for a log without a known line."""
EXIT_CODE_HINTS = {
    0: "a server must keep running",
    126: "the command is not executable",
    127: "the command was not found",
    132: "illegal instruction",
    134: "aborted",
    135: "bus error",
    137: "killed by SIGKILL",
    139: "segmentation fault",
    143: "terminated by SIGTERM",
}
"""Meaning of exit codes that do not come from the server itself."""
