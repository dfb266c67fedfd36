// Buy a phone number, as the vendor's page shows it for JavaScript.
const response = await fetch(`${process.env.TELI_BASE_URL}/v1/voice/phone-numbers/create`, {
  method: "POST",
  headers: {
    "X-API-Key": process.env.TELI_API_KEY,
    "Content-Type": "application/json",
  },
  body: JSON.stringify({
    area_code: "313",
    user_id: "1762896366429x599348279945132448",
    organization_id: "1762896364768x389173798861431550",
    tenant_id: "your_tenant",
    nickname: "Support line",
  }),
});

const data = await response.json();
console.log(JSON.stringify(data));
