from twisted.application.service import ServiceMaker

# twistd runs this file for every `twistd --help`: nothing of byok is imported here.
byok = ServiceMaker("byok", "byok.tap", "Bring-your-own-key model gateway.", "byok")
