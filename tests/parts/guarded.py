"""Prepares an AWS emulator that checks policies: a bucket with files, and a user or a role that holds a policy.

    python guarded.py ADDRESS < request.json

The request: {"bucket": …, "folders": {prefix: folder}, "user": …, "policy": {…},
              "role": …, "role_policy": {…}, "trust": {…}} (the last three may be missing).
Prints the user's access key, its secret and its ARN, on a line each.
"""

import json
import sys
from pathlib import Path

import boto3
from botocore.config import Config

PLACE = {"endpoint_url": sys.argv[1], "region_name": "us-east-1"}
ROOT = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}


def fill(bucket: str, folders: dict[str, str]) -> None:
    s3 = boto3.client("s3", config=Config(s3={"addressing_style": "path"}), **PLACE, **ROOT)
    try:
        s3.create_bucket(Bucket=bucket)
    except s3.exceptions.BucketAlreadyOwnedByYou:
        pass
    for prefix, folder in folders.items():
        for path in sorted(Path(folder).rglob("*")):
            if path.is_file():
                s3.put_object(Bucket=bucket, Key=f"{prefix}/{path.relative_to(folder)}", Body=path.read_bytes())


def main() -> None:
    request = json.load(sys.stdin)
    fill(request["bucket"], request["folders"])
    iam = boto3.client("iam", **PLACE, **ROOT)
    user = request["user"]
    arn = iam.create_user(UserName=user)["User"]["Arn"]
    iam.put_user_policy(UserName=user, PolicyName="printed", PolicyDocument=json.dumps(request["policy"]))
    if "role" in request:
        trust = json.dumps(request["trust"]).replace(request["runner"], arn)
        iam.create_role(RoleName=request["role"], AssumeRolePolicyDocument=trust)
        policy = json.dumps(request["role_policy"])
        iam.put_role_policy(RoleName=request["role"], PolicyName="printed", PolicyDocument=policy)
    key = iam.create_access_key(UserName=user)["AccessKey"]
    print(key["AccessKeyId"], key["SecretAccessKey"], arn, sep="\n")


main()
