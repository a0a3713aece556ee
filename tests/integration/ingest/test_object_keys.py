"""Keys are bytes that strangers choose: what the store takes is seen once and kept as it is, the rest is nothing."""

import socket
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
import sqlalchemy as sa
from botocore.exceptions import ClientError

from services.ingest.looking import Looker
from shared.settings import Settings
from shared.storage.database import Database
from shared.storage.objects import ObjectStore
from tests.support.clients import boto3_client
from tests.support.stack import AUDIO, Servers, s3_client

TAKEN = {
    "new line": "c/new\nline.wav",
    "carriage return": "c/new\r\nline.wav",
    "control characters": "c/\x01\x1f\x7f.wav",
    "right-to-left override": "c/\u202egpj.wav",
    "byte order mark": "c/\ufeffa.wav",
    "no character": "c/a\ufffe\U0010ffff.wav",
    "percent escapes": "c/a%2Fb%00.wav",
    "emoji": "c/🎙️.wav",
    "composed": "c/\u00e9.wav",
    "decomposed": "c/e\u0301.wav",
    "upper case": "c/A.wav",
    "lower case": "c/a.wav",
    "quotes": "c/'\"; DROP TABLE event; --.wav",
    "a blank": "c/ ",
    "dots": "c/.../...wav",
    "1,024 bytes": ("c/" + ("d" * 200 + "/") * 6)[:1_023] + "w",
}
REFUSED = {
    "NUL": "c/a\0b.wav",
    "climbing": "c/../../a.wav",
    "climbing out": "../a.wav",
    "climbing to itself": "c/./a.wav",
    "the folder": "c/.",
    "climbing by backslashes": "c\\..\\a.wav",
    "1,025 bytes": ("c/" + ("d" * 200 + "/") * 6)[:1_024] + "w",
    "a name of 256 bytes": "c/" + "n" * 256,
}


@pytest.fixture
def looker(database: Database, settings: Settings) -> Looker:
    return Looker(database, ObjectStore(settings.s3), ThreadPoolExecutor(2), settings)


def known(database: Database) -> list[str]:
    with database.begin() as tx:
        return list(tx.execute(sa.text("SELECT key FROM stored_object")).scalars())


def test_every_key_that_the_store_takes_is_seen_once_and_kept_as_it_is(
    looker: Looker, servers: Servers, database: Database
) -> None:
    client = boto3_client(servers.state)
    for key in TAKEN.values():
        client.put_object(Bucket=AUDIO, Key=key, Body=b"the same bytes")

    assert [looker.sweep(), looker.look(TAKEN.values()), looker.sweep()] == [len(TAKEN), 0, 0]
    assert sorted(known(database)) == sorted(TAKEN.values())


@pytest.mark.parametrize("key", REFUSED.values(), ids=REFUSED)
def test_a_key_that_the_store_refuses_is_nothing_even_to_a_hint(
    looker: Looker, servers: Servers, database: Database, key: str
) -> None:
    with pytest.raises(ClientError) as refused:
        boto3_client(servers.state).put_object(Bucket=AUDIO, Key=key, Body=b"bytes")

    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert [looker.look([key]), looker.sweep()] == [0, 0]
    assert known(database) == []


def test_a_bad_hint_keeps_no_good_one_from_being_followed(looker: Looker, servers: Servers) -> None:
    boto3_client(servers.state).put_object(Bucket=AUDIO, Key="c/a.wav", Body=b"bytes")

    assert looker.look([*REFUSED.values(), "\ud800", "", "/", "c/a.wav"]) == 1


def test_an_upload_that_breaks_off_is_nothing(looker: Looker, servers: Servers, database: Database) -> None:
    address = urlsplit(s3_client(servers.state).presigned_put_object(AUDIO, "c/half.wav", timedelta(minutes=1)))
    head = f"PUT {address.path}?{address.query} HTTP/1.1\r\nHost: {address.netloc}\r\nContent-Length: 1000000\r\n\r\n"
    with socket.create_connection((address.hostname or "", address.port or 0)) as connection:
        connection.sendall(head.encode() + bytes(500_000))
    boto3_client(servers.state).put_object(Bucket=AUDIO, Key="c/whole.wav", Body=b"bytes")

    assert looker.sweep() == 1
    assert known(database) == ["c/whole.wav"]
