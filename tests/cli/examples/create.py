"""Buy a phone number, as the vendor's page shows it for Python."""

import json
import os

import requests

url = os.environ["TELI_BASE_URL"] + "/v1/voice/phone-numbers/create"
headers = {"X-API-Key": os.environ["TELI_API_KEY"], "Content-Type": "application/json"}
payload = {
    "area_code": "313",
    "user_id": "1762896366429x599348279945132448",
    "organization_id": "1762896364768x389173798861431550",
    "tenant_id": "your_tenant",
    "nickname": "Support line",
}

response = requests.post(url, headers=headers, json=payload, timeout=60)
print(json.dumps(response.json()))
