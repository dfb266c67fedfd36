#!/bin/sh
# Buy a phone number, as the vendor's page shows it for curl.
curl --silent --show-error --request POST "$TELI_BASE_URL/v1/voice/phone-numbers/create" \
  --header "X-API-Key: $TELI_API_KEY" \
  --header "Content-Type: application/json" \
  --data '{
    "area_code": "313",
    "user_id": "1762896366429x599348279945132448",
    "organization_id": "1762896364768x389173798861431550",
    "tenant_id": "your_tenant",
    "nickname": "Support line"
  }'
