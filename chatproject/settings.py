"""Settings of the chat. Everything an operator may change comes from the environment.

The list, with defaults, is in docs/reference/settings.md. Nothing here needs a service: SQLite and the
in-memory channel layer are the defaults.
"""

from pathlib import Path

from csp.constants import NONE, SELF

from chatproject import environment

BASE_DIR = Path(__file__).resolve().parent.parent

DEBUG = environment.switch("DEBUG", default=True)
HTTPS = environment.switch("HTTPS", default=not DEBUG)
LIMITS = environment.switch("LIMITS", default=True)
SECRET_KEY = environment.secret_key(DEBUG, BASE_DIR)
SECRET_KEY_FALLBACKS = environment.words("SECRET_KEY_FALLBACKS")
ALLOWED_HOSTS = environment.allowed_hosts()
CSRF_TRUSTED_ORIGINS = environment.trusted_origins()

INSTALLED_APPS = [
    "daphne",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "servestatic",
    "channels",
    "channels_socketio",
    "chat",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "servestatic.middleware.ServeStaticMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "chat.middleware.LoginSessionMiddleware",
]

ROOT_URLCONF = "chatproject.urls"
ASGI_APPLICATION = "chatproject.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

DATABASES = {"default": environment.database("sqlite:///db.sqlite3", BASE_DIR)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URLS = environment.redis_urls()
CHANNEL_LAYERS = {
    "default": (
        {"BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer", "CONFIG": {"hosts": REDIS_URLS}}
        if REDIS_URLS
        else {"BACKEND": "channels.layers.InMemoryChannelLayer"}
    ),
}

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{validator}"}
    for validator in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

# The login session: a row that names its visitor, and one cookie.
SESSION_ENGINE = "chat.sessions"
SESSION_COOKIE_AGE = 86_400
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = HTTPS

CSRF_COOKIE_SECURE = HTTPS
SECURE_SSL_REDIRECT = HTTPS
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^metrics$"]
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
# HSTS for subdomains and for browsers' preload lists binds sites other than this one: that
# is for the owner of the domain to say, at the proxy.
# The in-memory layer is this project's default on purpose, for one process.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021", "channels_socketio.I001"]

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF],
        "connect-src": [SELF],
        "manifest-src": [SELF],
        "base-uri": [NONE],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    },
}

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True
FORMAT_MODULE_PATH = "chatproject.formats"

STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STATICFILES_DIRS = [BASE_DIR / "static"]
# Said outright because Django's test runner turns DEBUG off only after these lines were read.
SERVESTATIC_AUTOREFRESH = SERVESTATIC_USE_FINDERS = DEBUG
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": (
            "django.contrib.staticfiles.storage.StaticFilesStorage"
            if DEBUG
            else "servestatic.storage.CompressedManifestStaticFilesStorage"
        )
    },
}

# How often a process says that it lives, and how long the others believe it without hearing from it: in seconds.
CHAT_HEARTBEAT = 5.0
CHAT_LEASE = 20.0

# The protocol's own options; every key and default is described in channels_socketio/options.py.
SOCKETIO: dict[str, object] = {
    "LEGACY_CLIENTS": True,
    "LIMITS": LIMITS,
    "LIMITS_REDIS": next(iter(REDIS_URLS), ""),
    "TRUSTED_PROXIES": environment.trusted_proxies(),
    "MAX_PAYLOAD": 200_000,  # the longest message takes 25,000; clients that were offline send many at once
    "MAX_NAMESPACES": 20,
}

# The chat's own; every key and default is described in chat/limits.py.
CHAT: dict[str, object] = {}

LOG_LEVEL = environment.choice("LOG_LEVEL", environment.LOG_LEVELS, default="INFO")
LOG_FORMAT = environment.choice("LOG_FORMAT", environment.LOG_FORMATS, default="line")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"},
        "json": {"()": "chatproject.log_format.JSONFormatter"},
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": LOG_FORMAT}},
    "root": {"handlers": ["console"], "level": LOG_LEVEL},
    "loggers": {"django": {"handlers": ["console"], "level": LOG_LEVEL, "propagate": False}},
}
