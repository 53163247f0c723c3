"""Crashes of model servers, as their logs and exit codes report them, are explained with the field to change."""

import re
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelservice_operator.status.conditions import MAX_MESSAGE_CHARS
from modelservice_operator.status.crash_causes import (
    CRASH_CAUSES,
    CRASH_SUMMARIES,
    EXIT_CODE_CAUSES,
    EXIT_CODE_HINTS,
    CrashCause,
)
from modelservice_operator.status.crashes import find_cause, required_words
from modelservice_operator.status.text import last_line
from tests.support.builders import ModelServiceBuilder
from tests.support.pods import new_pod
from tests.support.schema_fields import fields
from tests.support.snapshots import IRIS, snapshot, unready

S3 = IRIS.with_spec(model={"uri": "s3://models/iris"})
SHM = "Add to mounts: {name: shm, mountPath: /dev/shm, emptyDir: {medium: Memory, sizeLimit: 2Gi}}"
GPU = "resources.limits: {nvidia.com/gpu: 1}"
OWNER = "writableRootFilesystem: true, and runAsUser to the owner of the directory"
PENDING_FIELDS = {"writableRootFilesystem"}
"""Fields that the schema does not have yet."""
DOTTED = re.compile(r"(?<![/\w])(?:model|resources|probes)\.(\w+)")
VLLM = (
    "ERROR 08-12 10:11:12 [core.py:700] EngineCore failed to start.\n"
    'ERROR 08-12 10:11:12 [core.py:700]   File "/usr/local/lib/python3.12/site-packages/vllm/worker.py", line 9, in x\n'
    "{cause}\n"
    "Traceback (most recent call last):\n"
    "RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {{}}\n"
)


@dataclass(frozen=True)
class CrashCase:
    """A log with which a server ended."""

    log: str
    advice: str
    """Part of the cause and the advice."""
    line: str = ""
    """Part of the line that is quoted; empty for the last one."""
    service: ModelServiceBuilder = IRIS
    code: int = 1


LOGS: dict[str, CrashCase] = {
    # Files
    "read-only directory": CrashCase(
        "OSError: [Errno 30] Read-only file system: '/app/cache'",
        f"The server writes to /app/cache. The root file system is read-only by default: add to mounts: {{name:"
        f" data, mountPath: /app/cache, emptyDir: {{}}}}, or set {OWNER}.",
    ),
    "read-only file in a directory": CrashCase(
        "OSError: [Errno 30] Read-only file system: '/app/data/state.db-journal'", "mountPath: /app/data, emptyDir: {}"
    ),
    "read-only file next to the program": CrashCase(
        "panic: open /app/server.log: read-only file system",
        f"let the server write to another directory, such as /tmp, or set {OWNER}.",
    ),
    "read-only file of the image": CrashCase(
        "sh: can't create /usr/share/app/data/x: Read-only file system", "let the server write to another directory"
    ),
    "read-only relative path": CrashCase(
        "OSError: [Errno 30] Read-only file system: 'mlruns'", "set workingDir to a writable directory such as /tmp"
    ),
    "read-only directory of nginx": CrashCase(
        'nginx: [emerg] mkdir() "/var/cache/nginx/client_temp" failed (30: Read-only file system)',
        "mountPath: /var/cache/nginx, emptyDir: {}",
        service=IRIS.with_spec(mounts=[{"name": "data", "mountPath": "/data", "emptyDir": {}}]),
    ),
    "read-only file of nginx": CrashCase(
        'nginx: [emerg] open() "/var/run/nginx.pid" failed (30: Read-only file system)', "mountPath: /run,"
    ),
    "read-only file system of Node.js": CrashCase(
        "Error: EROFS: read-only file system, mkdir '/srv/app/uploads'", "mountPath: /srv/app/uploads,"
    ),
    "read-only file system of Java": CrashCase(
        "java.io.FileNotFoundException: /home/model-server/logs/config/x.cfg (Read-only file system)",
        "mountPath: /home/model-server/logs/config,",
    ),
    "read-only model": CrashCase(
        "OSError: [Errno 30] Read-only file system: '/mnt/models/.cache'",
        "The volume of the model is read-only: let the server write to another directory",
        service=S3,
    ),
    "read-only ConfigMap": CrashCase(
        "OSError: [Errno 30] Read-only file system: '/etc/app/x'",
        "Volume settings of mounts is read-only: let the server write to another",
        service=IRIS.with_spec(mounts=[{"name": "settings", "mountPath": "/etc/app", "configMap": {"name": "a"}}]),
    ),
    "read-only claim": CrashCase(
        "OSError: [Errno 30] Read-only file system: '/data/x'",
        "Remove readOnly from volume data of mounts.",
        service=IRIS.with_spec(
            mounts=[
                {
                    "name": "data",
                    "mountPath": "/data",
                    "readOnly": True,
                    "persistentVolumeClaim": {"claimName": "a"},
                }
            ]
        ),
    ),
    "read-only home directory": CrashCase(
        "OSError: [Errno 30] Read-only file system: '/.cache'", "such as HOME or HF_HOME, in env to a directory below"
    ),
    "SQLite cannot create its file": CrashCase(
        "sqlalchemy.exc.OperationalError: (sqlite3.OperationalError) unable to open database file",
        "SQLite writes next to its database file",
    ),
    "SQLite cannot write its file": CrashCase(
        "sqlite3.OperationalError: attempt to write a readonly database", "writableRootFilesystem: true"
    ),
    "root's home directory": CrashCase(
        "PermissionError: [Errno 13] Permission denied: '/root/.cache/huggingface'",
        "such as HOME or HF_HOME, in env to a directory below /tmp, or set runAsUser",
    ),
    "file of another user": CrashCase(
        "PermissionError: [Errno 13] Permission denied: '/app/weights/model.bin'",
        "The container runs as user 10001, the default of runAsUser, who may not access /app/weights/model.bin. Set"
        " runAsUser to the user of the image, or runAsGroup: 0",
    ),
    "directory of another user": CrashCase(
        "mkdir: cannot create directory '/app/logs': Permission denied", "mountPath: /app/logs, emptyDir: {}"
    ),
    "script of another user": CrashCase(
        "/bin/sh: 1: /app/start.sh: Permission denied", "may not access /app/start.sh", code=126
    ),
    "volume of another user": CrashCase(
        "PermissionError: [Errno 13] Permission denied: '/data/x'",
        "who may not access /data/x. Set fsGroup to the group of the files in the volume",
        service=IRIS.with_spec(
            runAsUser=1000,
            mounts=[{"name": "data", "mountPath": "/data", "persistentVolumeClaim": {"claimName": "a"}}],
        ),
    ),
    "permission without a path": CrashCase(
        "PermissionError: [Errno 13] Permission denied", "below 1024, set containerPort to it"
    ),
    "program that is not executable": CrashCase(
        "exec /app/start.sh: permission denied",
        "/app/start.sh is not executable for user 10001, the default of runAsUser.",
        code=255,
    ),
    "user without a name": CrashCase(
        "KeyError: 'getpwuid(): uid not found: 10001'",
        "The container runs as user 10001, the default of runAsUser, who is not in /etc/passwd of the image."
        " Set runAsUser to a user of the image.",
    ),
    "whoami": CrashCase("whoami: cannot find name for user ID 10001", "Set runAsUser"),
    "no home directory": CrashCase(
        "RuntimeError: Could not determine home directory.", "Add to env: {name: HOME, value: /tmp}."
    ),
    "HOME is not set": CrashCase("panic: $HOME is not defined", "HOME"),
    "image that starts as root": CrashCase(
        "chown: changing ownership of '/data': Operation not permitted", "Set command to the server"
    ),
    "gosu": CrashCase("error: failed switching to 'model': operation not permitted", "runAsUser to the user of that"),
    "must be root": CrashCase("Error: this program must be run as root", "it runs as user 10001"),
    "no temporary directory": CrashCase(
        "FileNotFoundError: [Errno 2] No usable temporary directory found in ['/var/tmp', '/app']",
        "{name: TMPDIR, value: /tmp}",
    ),
    "Numba": CrashCase(
        "RuntimeError: cannot cache function '__shear_dense': no locator available for file '/app/lib/utils.py'",
        "{name: NUMBA_CACHE_DIR, value: /tmp/numba}",
    ),
    "disk full": CrashCase(
        "OSError: [Errno 28] No space left on device: '/tmp/x'", "resources.requests.ephemeral-storage"
    ),
    # Shared memory
    "DataLoader": CrashCase(
        "RuntimeError: DataLoader worker (pid 74) is killed by signal: Bus error. It is possible that dataloader's"
        " workers are out of shared memory.",
        f"The shared memory of the container is full: /dev/shm holds 64 MiB by default. {SHM}",
    ),
    "shared memory is full": CrashCase("OSError: [Errno 28] No space left on device: '/dev/shm/psm_7d1f'", SHM),
    "torch shared file": CrashCase(
        "RuntimeError: unable to mmap 1024 bytes from file </torch_1_2_3>: Cannot allocate memory (12)", SHM
    ),
    "Triton Python backend": CrashCase(
        "E0812 10:11:12.345678 1 model.cc:1] Unable to create shared memory region triton_python_backend_shm_region_1",
        SHM,
    ),
    "NCCL": CrashCase(
        "RuntimeError: NCCL error: unhandled system error (run with NCCL_DEBUG=INFO for details), ncclSystemError", SHM
    ),
    # Machines
    "other architecture": CrashCase(
        "exec /usr/local/bin/python: exec format error", "nodeSelector: {kubernetes.io/arch: ARCHITECTURE}", code=255
    ),
    "AVX": CrashCase(
        "The TensorFlow library was compiled to use AVX instructions, but these aren't available on your machine.",
        "nodeSelector to nodes with a newer one",
        code=134,
    ),
    "CUDA driver library": CrashCase(
        "ImportError: libcuda.so.1: cannot open shared object file: No such file or directory", GPU
    ),
    "OpenCV": CrashCase(
        "ImportError: libGL.so.1: cannot open shared object file: No such file or directory", "opencv-python-headless"
    ),
    "other library": CrashCase(
        "serve: error while loading shared libraries: libgomp.so.1: cannot open shared object file: No such file or"
        " directory",
        "add LD_LIBRARY_PATH with its directory to env",
        code=127,
    ),
    "C library": CrashCase(
        "serve: /lib/x86_64-linux-gnu/libc.so.6: version `GLIBC_2.38' not found (required by serve)",
        "newer base image",
    ),
    "symbol": CrashCase(
        "ImportError: /app/x.so: undefined symbol: _ZN3c105ErrorC2E", "A shared library is not in the image"
    ),
    "driver too old": CrashCase(
        "RuntimeError: The NVIDIA driver on your system is too old (found version 11040).",
        "too old for the CUDA version of the image. Use an image with an older CUDA version, or set nodeSelector",
    ),
    "driver too old, CUDA": CrashCase(
        "CUDA error 35: CUDA driver version is insufficient for CUDA runtime version", "older CUDA version"
    ),
    "no GPU": CrashCase("RuntimeError: No CUDA GPUs are available", GPU),
    "no GPU, vLLM": CrashCase("RuntimeError: Failed to infer device type", GPU),
    "no GPU, JAX": CrashCase(
        "RuntimeError: Found no NVIDIA driver on your system. Please check that you have an NVIDIA GPU", GPU
    ),
    "other GPU": CrashCase(
        "RuntimeError: CUDA error: no kernel image is available for execution on the device",
        "not built for the GPU of the node",
    ),
    "GPU too old for a type": CrashCase(
        "ValueError: Bfloat16 is only supported on GPUs with compute capability of at least 8.0. Your Tesla T4 GPU has"
        " compute capability 7.5.",
        "--dtype=half",
    ),
    "GPU memory": CrashCase(
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 14.57"
        " GiB of which 1.1 GiB is free.",
        "The model needs more GPU memory than is free. Lower batch size",
    ),
    "GPU memory, llama.cpp": CrashCase(
        "ggml_backend_cuda_buffer_type_alloc_buffer: allocating 4096.00 MiB on device 0: cudaMalloc failed: out of"
        " memory",
        "more GPU memory",
    ),
    "memory, torch": CrashCase(
        "RuntimeError: [enforce fail at alloc_cpu.cpp:117] err == 0. DefaultCPUAllocator: can't allocate memory: you"
        " tried to allocate 8589934592 bytes.",
        "Raise resources.limits.memory",
    ),
    "memory, NumPy": CrashCase(
        "numpy.core._exceptions._ArrayMemoryError: Unable to allocate 7.45 GiB for an array", "resources.limits.memory"
    ),
    "memory, gunicorn": CrashCase(
        "[2026-01-02 03:04:05 +0000] [1] [ERROR] Worker (pid:7) was sent SIGKILL! Perhaps out of memory?",
        "Raise resources.limits.memory",
    ),
    "memory, child process": CrashCase(
        "/app/start.sh: line 5:    12 Killed                  python serve.py",
        "Raise resources.limits.memory",
        code=137,
    ),
    "memory, Node.js": CrashCase(
        "FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory",
        "Raise resources.limits.memory",
        code=134,
    ),
    "GPU memory, JAX": CrashCase(
        "jaxlib.xla_extension.XlaRuntimeError: RESOURCE_EXHAUSTED: Out of memory while trying to allocate 8 bytes",
        "more GPU memory",
    ),
    "GPUs, vLLM": CrashCase(
        "ValueError: Tensor parallel size (2) cannot be larger than the number of available GPUs (1).", GPU
    ),
    "Keras": CrashCase(
        "ValueError: File format not supported: filepath=/mnt/models/x.keras.", "damaged or not a model"
    ),
    "NumPy 2 pickle": CrashCase("ModuleNotFoundError: No module named 'numpy._core'", "saved with another version"),
    "heap of TorchServe": CrashCase(
        "Exception in thread 'main' java.lang.OutOfMemoryError: Java heap space",
        "{name: JAVA_TOOL_OPTIONS, value: -XX:MaxRAMPercentage=75}",
    ),
    "threads": CrashCase(
        "OpenBLAS blas_thread_init: pthread_create failed for thread 3 of 64: Resource temporarily unavailable",
        "{name: OMP_NUM_THREADS, value: '1'}",
    ),
    "files": CrashCase("OSError: [Errno 24] Too many open files", "limit of open files"),
    # Ports and network
    "port below 1024": CrashCase(
        "nginx: [emerg] bind() to 0.0.0.0:80 failed (13: Permission denied)",
        "below 1024 that is also below containerPort (8080). Set containerPort to the port of the server",
    ),
    "port below 1024, Node.js": CrashCase("Error: listen EACCES: permission denied 0.0.0.0:80", "Set containerPort"),
    "port below 1024, uvicorn": CrashCase(
        "ERROR:    [Errno 13] error while attempting to bind on address ('0.0.0.0', 80): permission denied",
        "Set containerPort",
    ),
    "port below 1024, Go": CrashCase("listen tcp :80: bind: permission denied", "Set containerPort"),
    "port in use": CrashCase(
        "OSError: [Errno 98] error while attempting to bind on address ('0.0.0.0', 8080): address already in use",
        "Another process of the pod listens on the port.",
    ),
    "port in use, Node.js": CrashCase("Error: listen EADDRINUSE: address already in use :::8080", "containerPort"),
    "address": CrashCase("OSError: [Errno 99] Cannot assign requested address", "Set its address to"),
    "gated repository": CrashCase(
        "OSError: You are trying to access a gated repo. Make sure to have access to it at https://huggingface.co/x."
        " 401 Client Error.",
        "{name: HF_TOKEN, valueFrom: {secretKeyRef: {name: SECRET, key: KEY}}}",
    ),
    "private repository": CrashCase(
        "huggingface_hub.errors.RepositoryNotFoundError: 401 Client Error. Repository Not Found for url:"
        " https://huggingface.co/api/models/a/b.",
        "HF_TOKEN",
    ),
    "no credentials": CrashCase(
        "botocore.exceptions.NoCredentialsError: Unable to locate credentials", "model.credentials"
    ),
    "credentials without rights": CrashCase(
        "botocore.exceptions.ClientError: An error occurred (AccessDenied) when calling the GetObject operation",
        "they do not allow the request. Set model.uri and model.credentials",
    ),
    "other cloud": CrashCase(
        "google.api_core.exceptions.PermissionDenied: 403 Permission 'x' denied on resource", "model.credentials"
    ),
    "certificate": CrashCase(
        "ssl.SSLCertVerificationError: [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: unable to get local"
        " issuer certificate",
        "SSL_CERT_FILE",
    ),
    "no network": CrashCase(
        "OSError: couldn't connect to 'https://huggingface.co' to load the files, and couldn't find them in the"
        " cached files.",
        "Set model.uri so that the loader downloads the model",
    ),
    "no name resolution": CrashCase("socket.gaierror: [Errno -3] Temporary failure in name resolution", "HTTPS_PROXY"),
    # Models
    "Git LFS pointer": CrashCase("_pickle.UnpicklingError: invalid load key, 'v'.", "Git LFS pointer"),
    "no safetensors file": CrashCase(
        "safetensors_rust.SafetensorError: Error while deserializing header: HeaderTooLarge", "model.sha256"
    ),
    "damaged ONNX model": CrashCase(
        "onnxruntime.capi.onnxruntime_pybind11_state.InvalidProtobuf: [ONNXRuntimeError] : 7 : INVALID_PROTOBUF : Load"
        " model from /mnt/models/model.onnx failed:Protobuf parsing failed.",
        "damaged or not a model",
    ),
    "other scikit-learn": CrashCase(
        "/usr/lib/python3/site-packages/sklearn/base.py:376: InconsistentVersionWarning: Trying to unpickle estimator"
        " RandomForestClassifier from version 1.2.2 when using version 1.5.0.\n"
        "AttributeError: 'x' has no attribute 'y'",
        "saved with another version of its library than the one in the image. Install the version",
        line="InconsistentVersionWarning: Trying to unpickle",
    ),
    "other scikit-learn, moved module": CrashCase(
        "ModuleNotFoundError: No module named 'sklearn.ensemble._forest'", "saved with another version"
    ),
    "other scikit-learn, trees": CrashCase(
        "ValueError: node array from the pickle has an incompatible dtype:", "saved with another version"
    ),
    "other NumPy": CrashCase(
        "ValueError: numpy.dtype size changed, may indicate binary incompatibility. Expected 96 from C header, got 88",
        "another version of NumPy",
    ),
    "NumPy 2": CrashCase("AttributeError: _ARRAY_API not found", "numpy<2"),
    "ONNX IR version": CrashCase(
        "onnxruntime.capi.onnxruntime_pybind11_state.Fail: [ONNXRuntimeError] : 1 : FAIL : Load model from m.onnx"
        " failed: Unsupported model IR version: 11, max supported IR version: 10",
        "The ONNX model is newer than the ONNX Runtime of the image",
    ),
    "ONNX opset": CrashCase(
        "[ONNXRuntimeError] : 1 : FAIL : ONNX Runtime only *guarantees* support for models stamped with official"
        " released onnx opset versions. Opset 22 is under development",
        "older opset",
    ),
    "model file without a URI": CrashCase(
        "FileNotFoundError: [Errno 2] No such file or directory: '/mnt/models/model.joblib'",
        "/mnt/models/model.joblib does not exist in the container. Set model.uri to download a model to /mnt/models",
    ),
    "model file of another name": CrashCase(
        "FileNotFoundError: [Errno 2] No such file or directory: '/mnt/models/model.joblib'",
        "The model is at /mnt/models: correct model.uri, or the name of the file in args or env.",
        service=S3,
    ),
    "model file elsewhere": CrashCase(
        "[ONNXRuntimeError] : 3 : NO_SUCHFILE : Load model from /models/m.onnx failed. File doesn't exist",
        "The model is at /mnt/models (MODEL_PATH): correct the path",
        service=S3,
    ),
    "Triton repository": CrashCase(
        "error: creating server: Internal - failed to stat file /models", "--model-repository=/mnt/models"
    ),
    "Triton version": CrashCase(
        "E0812 10:11:12.345678 1 model_repository_manager.cc:1] failed to load model 'iris': at least one version must"
        " be available under the version policy of model 'iris'\n"
        "error: creating server: Internal - failed to load all models",
        "NAME/1/model.onnx",
        line="at least one version must be available under the version policy of model 'iris'",
    ),
    "TensorFlow Serving": CrashCase(
        "W tensorflow_serving/sources/file_system_storage_path_source.cc:268] No versions of servable iris found under"
        " base path /models/iris. Did you forget to name your leaf directory as a number (eg. '/1/')?\n"
        "Failed to start server. Error: Unknown: 1 servable(s) did not become available: iris",
        "--model_base_path=/mnt/models in args",
        line="No versions of servable iris found under base path /models/iris.",
    ),
    "mlflow": CrashCase(
        'mlflow.exceptions.MlflowException: Could not find an "MLmodel" configuration file at "/mnt/models"',
        "--model-uri=/mnt/models",
    ),
    "TorchServe archive": CrashCase(
        "org.pytorch.serve.archive.model.ModelNotFoundException: Model not found at: /mnt/models/iris.mar",
        "--model-store=/mnt/models",
    ),
    "vLLM cache": CrashCase(
        VLLM.format(
            cause="ValueError: No available memory for the cache blocks. Try increasing `gpu_memory_utilization` when"
            " initializing the engine."
        ),
        "Raise --gpu-memory-utilization or lower --max-model-len in args",
        line="ValueError: No available memory for the cache blocks.",
    ),
    "vLLM context length": CrashCase(
        VLLM.format(
            cause="ValueError: The model's max seq len (131072) is larger than the maximum number of tokens that can be"
            " stored in KV cache (24576)."
        ),
        "Lower --max-model-len in args",
        line="max seq len (131072) is larger",
    ),
    "vLLM without a cause": CrashCase(
        VLLM.format(cause="AssertionError"),
        "its error is earlier in the log",
        line="Engine core initialization failed. See root cause above.",
    ),
    "no such model": CrashCase(
        "OSError: iris is not a valid model identifier listed on 'https://huggingface.co/models'",
        "Correct the name in args; a model of model.uri is at /mnt/models.",
    ),
    "model that cannot be loaded": CrashCase("error: failed to load model '/mnt/models/x.gguf'", "format of the model"),
    # Programs
    "uvicorn application": CrashCase(
        'ERROR:    Error loading ASGI app. Could not import module "main".', "MODULE:NAME of the application in args"
    ),
    "gunicorn application": CrashCase(
        "Failed to find attribute 'app' in 'main'.\n[2026-01-02 03:04:05 +0000] [7] [INFO] Worker exiting (pid: 7)\n"
        "[2026-01-02 03:04:06 +0000] [1] [ERROR] Reason: App failed to load.",
        "MODULE:NAME",
        line="Failed to find attribute 'app' in 'main'.",
        code=4,
    ),
    "gunicorn worker": CrashCase(
        "ModuleNotFoundError: No module named 'flask_cors'\n"
        "[2026-01-02 03:04:05 +0000] [7] [INFO] Worker exiting (pid: 7)\n"
        "[2026-01-02 03:04:06 +0000] [1] [ERROR] Shutting down: Master\n"
        "[2026-01-02 03:04:06 +0000] [1] [ERROR] Reason: Worker failed to boot.",
        "Install it in the image",
        line="ModuleNotFoundError: No module named 'flask_cors'",
        code=3,
    ),
    "gunicorn worker without a cause": CrashCase(
        "[2026-01-02 03:04:06 +0000] [1] [ERROR] Reason: Worker failed to boot.",
        "A worker process failed to start",
        line="[ERROR] Reason: Worker failed to boot.",
        code=3,
    ),
    "gunicorn timeout": CrashCase(
        "[2026-01-02 03:04:05 +0000] [1] [CRITICAL] WORKER TIMEOUT (pid:7)",
        "Raise --timeout of gunicorn in args",
        line="[CRITICAL] WORKER TIMEOUT (pid:7)",
    ),
    "gunicorn heartbeat": CrashCase(
        "OSError: [Errno 30] Read-only file system: '/srv/tmp/wgunicorn-8a7sd_x1'", "--worker-tmp-dir=/tmp"
    ),
    "module": CrashCase("ImportError: cannot import name 'escape' from 'jinja2'", "Install it in the image"),
    "module of Node.js": CrashCase("Error: Cannot find module 'express'", "Install it in the image"),
    "Java version": CrashCase(
        "Error: LinkageError java.lang.UnsupportedClassVersionError: Main has been compiled by a more recent version",
        "newer Java runtime",
    ),
    "mlflow environment": CrashCase(
        "mlflow.exceptions.MlflowException: Could not find the pyenv binary. See https://github.com/pyenv/pyenv",
        "--env-manager=local",
    ),
    "arguments": CrashCase(
        "api_server.py: error: unrecognized arguments: --max-len 7", "The server does not accept its arguments", code=2
    ),
}
EXIT_CODES = {
    0: "Correct command or args so that it runs in the foreground.",
    126: "The command is not executable for user 10001, the default of runAsUser.",
    127: "The command, or one that it calls, is not in the image.",
    132: "such as AVX, that the CPU of the node does not have.",
    134: "The server aborted",
    135: SHM,
    137: "raise resources.limits.memory",
    139: "A native library crashed",
    143: "Another process stopped the server.",
}


@pytest.mark.parametrize("case", LOGS.values(), ids=LOGS)
def test_known_log_line_is_explained(case: CrashCase) -> None:
    reason, message = unready(new_pod().crashed(message=case.log, exitCode=case.code), service=case.service)
    assert reason == "CrashLoop"
    assert f"container model exited with code {case.code}" in message
    line = last_line(case.log, snapshot())
    quoted, _, explained = message.partition('Log line: "')[2].partition('". ')
    assert case.line in quoted if case.line else quoted == line
    assert case.advice in explained
    assert message.endswith("Logs: kubectl logs -n ml deployment/iris -c model --previous.")
    assert len(message) < MAX_MESSAGE_CHARS


def test_every_known_log_line_has_a_case() -> None:
    """Rows are ordered: one that an earlier row hides would never apply."""
    found = {cause for case in LOGS.values() if (match := find_cause(case.log)) is not None for cause in match[1:]}
    assert [cause.pattern for cause in (*CRASH_CAUSES, *CRASH_SUMMARIES) if cause not in found] == []


@pytest.mark.parametrize("code", sorted(EXIT_CODES))
def test_known_exit_code_is_explained(code: int) -> None:
    message = unready(new_pod().crashed(message="", exitCode=code))[1]
    assert f"exited with code {code} ({EXIT_CODE_HINTS[code]}). No termination message. " in message
    assert EXIT_CODES[code] in message
    assert set(EXIT_CODES) == set(EXIT_CODE_CAUSES) == set(EXIT_CODE_HINTS)


@pytest.mark.parametrize(
    "log",
    [
        "",
        "ValueError: could not convert string to float",
        'Traceback:\n  File "/opt/pyenv/heartbeat.py", line 3, in bus_error\nKeyError: 7',
        "  at com.example.OutOfMemoryError.permissionDenied(Main.java:3)\njava.lang.IllegalStateException: no",
        "INFO: listening on 0.0.0.0:8080",
    ],
)
def test_unknown_log_is_only_quoted(log: str) -> None:
    message = unready(new_pod().crashed(message=log, exitCode=1))[1]
    assert "Log line" not in message
    assert message.endswith(". Logs: kubectl logs -n ml deployment/iris -c model --previous.")


def test_crash_of_another_container_is_only_quoted() -> None:
    """Its fields are not those of the spec."""
    message = unready(new_pod().crashed(name="proxy", message="exec /x: exec format error", exitCode=132))[1]
    assert 'code 132 (illegal instruction). Last log line: "exec /x: exec format error". Logs: ' in message


def test_long_line_is_quoted_from_its_cause_on() -> None:
    message = unready(new_pod().crashed(message=f"{'x ' * 200}: Address already in use"))[1]
    assert 'Log line: "…Address already in use". ' in message


def test_longest_explanation_fits_into_a_message() -> None:
    path = f"/{'y' * 70}/{'z' * 70}"
    service = IRIS.named("a" * 63, namespace="b" * 63)
    log = f"{'x' * 250} Permission denied: '{path}'"
    message = unready(new_pod().crashed(message=log), service=service)[1]
    assert f"mountPath: {path}," in message
    assert len(message) < MAX_MESSAGE_CHARS


def test_texts_are_sentences() -> None:
    causes = (*CRASH_CAUSES, *CRASH_SUMMARIES, *(CrashCause("", *texts) for texts in EXIT_CODE_CAUSES.values()))
    assert all(
        cause.cause.endswith(".") and cause.advice.endswith((".", "$mount", "$access", "$missing")) for cause in causes
    )


def test_fields_in_texts_are_those_of_the_schema() -> None:
    texts = [text for table in (CRASH_CAUSES, CRASH_SUMMARIES) for cause in table for text in cause[1:]]
    texts += [text for code in EXIT_CODE_CAUSES.values() for text in code]
    texts += [case.advice for case in LOGS.values()]
    known = {step for field in fields() for step in field.path} | PENDING_FIELDS
    named = {name for text in texts for name in re.findall(r"\b[a-z]+(?:[A-Z][a-z]+)+\b", text)}
    dotted = {name for text in texts for name in DOTTED.findall(text)}
    assert named | dotted <= known


@given(st.data())
def test_text_that_a_pattern_matches_has_a_required_word(data: st.DataObject) -> None:
    cause = data.draw(st.sampled_from((*CRASH_CAUSES, *CRASH_SUMMARIES)))
    text = data.draw(st.from_regex(re.compile(cause.pattern, re.IGNORECASE | re.ASCII)))
    assert any(word in text.lower() for word in required_words(cause.pattern))


def test_required_words_are_outside_of_groups_and_classes() -> None:
    assert required_words(r"read-?only (?:a|b) \bfile|[xy]+(?:z|(?:q)w)?|a\|b.{2,3}cd") == ("only ", "", "cd")
