"""Settings: one environment variable a line; docs/settings.md is made from this file."""

import logging
from pathlib import Path
from urllib.parse import unquote

from django.core.exceptions import ImproperlyConfigured

from config import env

BASE_DIR = Path(__file__).resolve().parent.parent

# --- where things are
STATE_DIR = Path(env.text("DUTYLINE_STATE_DIR", str(BASE_DIR / "var")))  # embedded database, keys
STORAGE = env.storage("DUTYLINE_STORAGE", STATE_DIR / "evidence")  # directory or s3://bucket/prefix
ENVIRONMENT = env.choice("DUTYLINE_ENVIRONMENT", ("development", "production"))  # or production
SECRET_KEY = env.secret("DUTYLINE_SECRET_KEY", STATE_DIR / "secret-key")  # signs sessions
KEYS_DIR = Path(env.text("DUTYLINE_KEYS_DIR", str(STATE_DIR / "keys")))  # keys of log and vault
KEY_PROVIDERS = env.table("DUTYLINE_KEY_PROVIDERS", '{"local": {}}')  # who wraps file keys, as JSON
DATABASE = env.database("DUTYLINE_DATABASE_URL", STATE_DIR / "dutyline.sqlite3")  # where rows live
BROKER_URL = env.broker("DUTYLINE_BROKER_URL")  # amqp://…; empty: the worker runs in process
CACHE = env.cache("DUTYLINE_CACHE_URL")  # redis://… shared by all processes; empty: locmem://
BASE_URL = env.address("DUTYLINE_BASE_URL", "http://localhost:8000")  # how agencies reach us
LEGAL_PROCESS_URL = env.link("DUTYLINE_LEGAL_PROCESS_URL")  # where legal process is served on us
ALLOWED_HOSTS = env.words("DUTYLINE_ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]")  # our names
TRUSTED_PROXIES = env.count("DUTYLINE_TRUSTED_PROXIES", 0)  # proxies in front, each adding a hop
LOG_ORIGIN = env.origin("DUTYLINE_LOG_ORIGIN", "localhost/log")  # name of the audit log, no scheme
OUTBOUND_NETWORKS = env.networks("DUTYLINE_OUTBOUND_NETWORKS")  # of ours, that may be called
OUTBOUND_IDENTITY = env.text("DUTYLINE_OUTBOUND_IDENTITY", "")  # PEM file: our TLS key, certificate
DROP_DIR = env.text("DUTYLINE_DROP_DIR", "")  # whose folders agencies collect from; empty: none
MAIL = env.mail("DUTYLINE_MAIL_URL")  # smtps://…, smtp+starttls://…; empty: no mail
MAIL_FROM = env.text("DUTYLINE_MAIL_FROM", "dutyline@localhost")  # who notices come from
WITNESSES = env.witnesses("DUTYLINE_WITNESSES")  # who cosigns the log: NAME+ID+KEY https://…, …
WITNESS_QUORUM = env.count("DUTYLINE_WITNESS_QUORUM", 0)  # cosignatures a published state needs
TIMESTAMP_URL = env.link("DUTYLINE_TIMESTAMP_URL")  # authority that stamps the log once a day
TIMESTAMP_ROOTS = env.text("DUTYLINE_TIMESTAMP_ROOTS", "")  # PEM file: its certificates we trust
UPLOAD_LIMIT = env.count("DUTYLINE_UPLOAD_LIMIT", 4 * 2**30)  # bytes of one item of evidence

if len(WITNESSES) < WITNESS_QUORUM:
    raise ImproperlyConfigured("DUTYLINE_WITNESS_QUORUM wants no more than there are witnesses.")
if TIMESTAMP_URL and not Path(TIMESTAMP_ROOTS).is_file():
    raise ImproperlyConfigured("DUTYLINE_TIMESTAMP_ROOTS wants a file of certificates (PEM).")
IN_PRODUCTION = ENVIRONMENT == "production"
if IN_PRODUCTION and not BASE_URL.startswith("https://"):
    raise ImproperlyConfigured("DUTYLINE_BASE_URL wants https://HOST in production.")
if IN_PRODUCTION and MAIL.scheme == "smtp":
    raise ImproperlyConfigured("DUTYLINE_MAIL_URL wants smtps or smtp+starttls in production.")
if IN_PRODUCTION and "*" in ALLOWED_HOSTS:
    raise ImproperlyConfigured("DUTYLINE_ALLOWED_HOSTS wants names in production, not *.")
if IN_PRODUCTION and len(SECRET_KEY) < 50:
    raise ImproperlyConfigured("DUTYLINE_SECRET_KEY wants 50 characters or more in production.")
if IN_PRODUCTION and not all(url.startswith("https://") for _, url in WITNESSES):
    raise ImproperlyConfigured("DUTYLINE_WITNESSES wants https:// in production.")
if IN_PRODUCTION and LOG_ORIGIN.startswith("localhost/"):
    raise ImproperlyConfigured("DUTYLINE_LOG_ORIGIN wants the log's lasting name in production.")

# --- what follows from them
DEBUG = False
DATABASES = {"default": DATABASE}
AUTH_USER_MODEL = "compliance.User"
AUDITLOG_LOGENTRY_MODEL = "compliance.AuditEntry"
LOG_KEY_FILE = KEYS_DIR / "log-signing-key"
LOG_HEAD_FILE = KEYS_DIR / "log-head"
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
TIME_ZONE = "UTC"
USE_TZ = True
LANGUAGE_CODE = "en"
MEDIA_ROOT = STORAGE
MEDIA_URL = "/nowhere/"  # evidence is never served from a URL of its own
FILE_UPLOAD_HANDLERS = ["compliance.vault.uploads.SealingUploadHandler"]
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024
LOGIN_REDIRECT_URL = "admin:index"

INSTALLED_APPS = [
    "config.desk.DeskConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "auditlog",
    "compliance",
    "referrals",
]
MIDDLEWARE = [
    "config.middleware.ContentSecurityPolicy",  # the outermost, so that no answer is without it
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "config.middleware.WhoActs",
    "config.middleware.OneLaw",
    "config.log.ShowsCheckpoint",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "config" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
STATIC_URL = "/static/"
STATIC_ROOT = STATE_DIR / "static"
STATIC_ROOT.mkdir(parents=True, exist_ok=True)  # WhiteNoise wants it, even empty
STATICFILES_DIRS = [BASE_DIR / "config" / "static"]
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = False

EMAIL_HOST, EMAIL_PORT = MAIL.hostname or "", MAIL.port or (465 if MAIL.scheme == "smtps" else 587)
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = unquote(MAIL.username or ""), unquote(MAIL.password or "")
EMAIL_USE_SSL, EMAIL_USE_TLS = MAIL.scheme == "smtps", MAIL.scheme == "smtp+starttls"
EMAIL_TIMEOUT = 30  # seconds
DEFAULT_FROM_EMAIL = MAIL_FROM
CACHES = {"default": CACHE}
STORAGES = {
    "default": env.store(STORAGE),
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}

SESSION_COOKIE_AGE = 8 * 60 * 60
SESSION_EXPIRE_AT_BROWSER_CLOSE = True
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = IN_PRODUCTION
SECURE_HSTS_SECONDS = 365 * 24 * 60 * 60 if IN_PRODUCTION else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = IN_PRODUCTION
SECURE_REFERRER_POLICY = "same-origin"  # under no-referrer browsers post forms as Origin: null
X_FRAME_OPTIONS = "DENY"
if TRUSTED_PROXIES:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["referrals.api.authentication.DPoP"],
    "DEFAULT_PERMISSION_CLASSES": ["referrals.api.permissions.DenyAll"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "referrals.api.errors.problem",
    "UNAUTHENTICATED_USER": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Dutyline liaison API",
    "VERSION": "1",
    "OAS_VERSION": "3.1.1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_AUTHENTICATION": [],
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "plain": {
            "()": "config.logs.Discreet",
            "format": "{asctime} {levelname} {name} {message}",
            "style": "{",
        }
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "root": {"handlers": ["console"], "level": logging.getLevelName(logging.WARNING)},
}
