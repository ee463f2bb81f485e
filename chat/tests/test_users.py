"""Usernames: none that could be a guest's number."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.test import Client

from chat import users

NUMBERS = ["0", "42", "00042", "10001", " 42 ", "٣٤", "\uff14\uff12", "①②", "४२"]
NAMES = ["ada", "ada42", "42ada", "4.2", "-42", "4+2", "四十二", "½a"]

User = get_user_model()


@pytest.mark.parametrize("username", NUMBERS)
def test_a_number_in_any_script_is_refused(username: str) -> None:
    with pytest.raises(ValidationError, match="may not be all digits"):
        users.refuse_number(username)


@pytest.mark.parametrize("username", [*NAMES, ""])
def test_anything_else_is_not_its_business(username: str) -> None:
    assert users.refuse_number(username) is None  # type: ignore[func-returns-value]  # it would raise


@pytest.mark.django_db
@pytest.mark.parametrize("create", [User.objects.create_user, User.objects.create_superuser, User.objects.create])
def test_no_way_of_creating_a_user_passes_by_the_rule(create: Callable[..., Any]) -> None:
    with pytest.raises(ValidationError, match="may not be all digits"):
        create(username="42")
    create(username="ada")
    assert User.objects.get().get_username() == "ada"


@pytest.mark.django_db
def test_createsuperuser_refuses_a_number() -> None:
    with pytest.raises(CommandError, match="may not be all digits"):
        call_command("createsuperuser", username="42", email="ada@example.com", interactive=False)


@pytest.mark.django_db
def test_the_admin_refuses_a_number(admin_client: Client) -> None:
    form = {"username": "42", "password1": "d1fference", "password2": "d1fference", "usable_password": "true"}
    assert "may not be all digits" in admin_client.post("/admin/auth/user/add/", form).content.decode()
    assert admin_client.post("/admin/auth/user/add/", form | {"username": "ada"}).status_code == 302


@pytest.mark.django_db
def test_a_user_cannot_be_renamed_to_a_number() -> None:
    user = User.objects.create_user("ada")
    user.username = "42"
    with pytest.raises(ValidationError):
        user.save()
    with pytest.raises(ValidationError):
        user.save(update_fields=["username"])


@pytest.mark.django_db
def test_a_user_from_before_the_rule_can_log_in(client: Client) -> None:
    user = User.objects.create_user("ada")
    User.objects.update(username="42")
    user.refresh_from_db()
    client.force_login(user)
    assert client.session["_auth_user_id"] == str(user.pk)


def test_installing_again_changes_nothing() -> None:
    validators = list(User._meta.get_field("username").validators)
    users.install()
    assert User._meta.get_field("username").validators == validators
    assert validators.count(users.refuse_number) == 1


@pytest.mark.django_db
def test_the_rule_is_no_change_of_schema() -> None:
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)
